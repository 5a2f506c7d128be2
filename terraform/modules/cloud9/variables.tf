# Required

variable "name" {
  description = "Name of the environment."
  type        = string

  validation {
    condition     = length(var.name) >= 1 && length(var.name) <= 60
    error_message = "name must be 1 to 60 characters: Cloud9 refuses other names."
  }
}

variable "subnet_ids" {
  description = "Public subnets by zone name; they must assign public addresses by themselves."
  type        = map(string)
}

# Optional

variable "create_ssm_role" {
  description = "Create the account-wide role AWSCloud9SSMAccessRole and its instance profile; false where they exist."
  type        = bool
  default     = true
}

variable "instance_type" {
  description = "Type of the environment's own small instance; it costs money while it runs."
  type        = string
  default     = "t3.small"

  validation {
    condition     = can(regex("^(t2|t3|m5|m4|c5|c4)\\.[a-z0-9]+$", var.instance_type))
    error_message = "instance_type must be an x86 type that Cloud9 takes, e.g. \"t3.small\"."
  }
}

variable "automatic_stop_time_minutes" {
  description = "Minutes without a visitor after which the environment's instance stops."
  type        = number
  default     = 30

  validation {
    condition     = var.automatic_stop_time_minutes >= 5 && var.automatic_stop_time_minutes <= 480
    error_message = "automatic_stop_time_minutes must be between 5 and 480: an environment that never stops is a bill that never stops."
  }
}
