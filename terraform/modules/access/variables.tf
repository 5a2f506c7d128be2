# Required

variable "name" {
  description = "Name of the role, the instance profile and the key pair. Role names are global in an account."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_+=,.@-]{1,64}$", var.name))
    error_message = "name must be 1 to 64 letters, digits or any of _+=,.@-: AWS refuses other role names."
  }
}

variable "ssh_public_key" {
  description = "ed25519 public key in OpenSSH format that may log in."
  type        = string

  validation {
    condition     = can(regex("^ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43}( [^\r\n]*)?\n?$", var.ssh_public_key))
    error_message = "ssh_public_key must be one ed25519 public key, \"ssh-ed25519 AAAA… comment\"; never a private key."
  }
}

variable "bucket_arn" {
  description = "ARN of the bucket in which the role may read data/ and write runs/."
  type        = string

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:s3:::[a-z0-9-]+$", var.bucket_arn))
    error_message = "bucket_arn must be the ARN of one bucket, without a wildcard."
  }
}

# Optional

variable "data_bucket" {
  description = "Name of another bucket that has the images already; the role may read it below data_prefix."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$", var.data_bucket))
    error_message = "data_bucket must be empty or the name of one bucket, without a wildcard."
  }
}

variable "data_prefix" {
  description = "What the keys of the images begin with, e.g. \"reef/2026/\"; empty for the whole bucket."
  type        = string
  default     = ""

  validation {
    # IAM takes * and ? for patterns and $ for the start of a variable.
    condition     = can(regex("^([^*?$]*/)?$", var.data_prefix))
    error_message = "data_prefix must be empty or end with a slash, without * ? and $: \"reef\" would open \"reef-private/\" as well."
  }
}
