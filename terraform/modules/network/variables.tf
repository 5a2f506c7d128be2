# Required

variable "name" {
  description = "Name of every resource in the network."
  type        = string
}

variable "allowed_cidr" {
  description = "IPv4 block that may reach port 22, e.g. \"203.0.113.7/32\"."
  type        = string

  validation {
    condition     = can(cidrnetmask(var.allowed_cidr))
    error_message = "allowed_cidr must be an IPv4 block such as \"203.0.113.7/32\"."
  }

  validation {
    condition     = try(tonumber(split("/", var.allowed_cidr)[1]) >= 8, true)
    error_message = "allowed_cidr must not be 0.0.0.0/0 nor wider than a /8: SSH is not for everyone."
  }
}

# Optional

variable "cidr" {
  description = "Address block of the VPC, a /16; each zone gets a /24 of it."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrnetmask(var.cidr)) && endswith(var.cidr, "/16")
    error_message = "cidr must be an IPv4 block of size /16, e.g. \"10.20.0.0/16\"."
  }
}

variable "auto_assign_address" {
  description = "Give everything launched in the subnets a public address; only Cloud9 needs it."
  type        = bool
  default     = false
}
