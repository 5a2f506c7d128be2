# Required

variable "name" {
  description = "Name of the deployment; it is the tag deployer:deployment and part of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,18}[a-z0-9]$", var.name)) && !strcontains(var.name, "--")
    error_message = "name must be 2 to 20 lower-case letters, digits and single hyphens, starting with a letter."
  }
}

variable "region" {
  description = "AWS region, e.g. \"us-east-1\"."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must look like \"us-east-1\"; a zone such as \"us-east-1a\" belongs in availability_zone."
  }
}

variable "availability_zone" {
  description = "Zone of the instances, e.g. \"us-east-1a\"."
  type        = string

  validation {
    condition     = can(regex("^${var.region}[a-z]$", var.availability_zone))
    error_message = "availability_zone must be a zone of the region, e.g. \"us-east-1a\" in \"us-east-1\"."
  }
}

variable "instance_type" {
  description = "GPU instance type, e.g. \"g4dn.xlarge\"."
  type        = string
}

variable "ami_id" {
  description = "Deep Learning AMI to launch from, e.g. \"ami-0123456789abcdef0\"."
  type        = string
}

variable "root_volume_gb" {
  description = "Size of the root volume in GiB; no smaller than the AMI's snapshot."
  type        = number
}

variable "user_data" {
  description = "cloud-init configuration for the first boot. It must arm the shutdown that ends a forgotten instance."
  type        = string
}

variable "ssh_public_key" {
  description = "ed25519 public key in OpenSSH format that may log in."
  type        = string
}

variable "allowed_cidr" {
  description = "IPv4 block that may reach port 22, e.g. \"203.0.113.7/32\"."
  type        = string
}

variable "bucket_name" {
  description = "Name of the deployment's bucket; global in AWS."
  type        = string
}

# Optional

variable "node_count" {
  description = "Number of instances."
  type        = number
  default     = 1
}

variable "spot" {
  description = "Buy spare capacity: cheaper, may be taken back with two minutes' notice."
  type        = bool
  default     = false
}

variable "spot_max_price" {
  description = "USD per hour that a spot instance may cost at most; 0 for no more than on demand."
  type        = number
  default     = 0
}

variable "allow_cpu_instance" {
  description = "Accept an instance type without a GPU, for a trial run."
  type        = bool
  default     = false
}

variable "adopt_bucket" {
  description = "Take over the existing bucket of this name instead of creating it."
  type        = bool
  default     = false
}

variable "data_bucket" {
  description = "Existing bucket with the images, which the instances may read; empty where they are sent to bucket_name."
  type        = string
  default     = ""
}

variable "data_prefix" {
  description = "What the keys of the images in data_bucket begin with, e.g. \"reef/2026/\"; empty for all of it."
  type        = string
  default     = ""
}

variable "cloud9_enabled" {
  description = "Add a Cloud9 environment; AWS closed the service to new accounts on 2024-07-25."
  type        = bool
  default     = false
}

variable "cloud9_create_role" {
  description = "Create the account-wide role AWSCloud9SSMAccessRole and its instance profile; false where they exist."
  type        = bool
  default     = true
}

variable "deployment_id" {
  description = "Random id of this deployment, as the tag deployer:id; what carries it may be removed without asking."
  type        = string
  default     = ""
}
