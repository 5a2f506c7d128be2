# Required

variable "name" {
  description = "Name of the instances; node n is called name-n."
  type        = string
}

variable "instance_type" {
  description = "GPU instance type, e.g. \"g4dn.xlarge\"."
  type        = string

  # Gone from every region's offerings between 2023-10 and 2026-05.
  validation {
    condition     = !can(regex("^(g2|g3|g3s|p2|p3)\\.", var.instance_type))
    error_message = "AWS has withdrawn the families g2, g3, g3s, p2 and p3; take g4dn.xlarge or newer."
  }

  # Families g4dn to g7e, gr6 and p3dn to p6 (2026-08) and their successors; g4ad has an AMD GPU, no CUDA.
  validation {
    condition = var.allow_cpu_instance || (
      can(regex("^(g[4-9]|gr[6-9]|p3dn|p[4-9])[a-z0-9-]*\\.[a-z0-9]+$", var.instance_type)) && !startswith(var.instance_type, "g4ad.")
    )
    error_message = "instance_type has no NVIDIA GPU; take e.g. g4dn.xlarge, or set allow_cpu_instance for a trial run."
  }
}

variable "ami_id" {
  description = "AMI to launch from; a later change leaves running instances alone."
  type        = string

  validation {
    condition     = can(regex("^ami-[0-9a-f]+$", var.ami_id))
    error_message = "ami_id must look like \"ami-0123456789abcdef0\"."
  }
}

variable "user_data" {
  description = "cloud-init configuration for the first boot; a later change leaves running instances alone."
  type        = string

  validation {
    condition     = length(base64encode(var.user_data)) <= 16384 * 4 / 3
    error_message = "user_data must not be longer than 16 KB: AWS refuses it."
  }
}

variable "root_volume_gb" {
  description = "Size of the root volume in GiB, no smaller than the AMI's snapshot; a later change leaves running instances alone."
  type        = number

  validation {
    condition     = var.root_volume_gb >= 1 && var.root_volume_gb <= 16384 && floor(var.root_volume_gb) == var.root_volume_gb
    error_message = "root_volume_gb must be a whole number between 1 and 16384."
  }
}

variable "placement" {
  description = "Where and as whom the instances run: subnet, security group, key pair and instance profile."
  type = object({
    subnet_id             = string
    security_group_id     = string
    key_name              = string
    instance_profile_name = string
  })
}

# Optional

variable "node_count" {
  description = "Number of instances."
  type        = number
  default     = 1

  validation {
    condition     = var.node_count >= 1 && var.node_count <= 16 && floor(var.node_count) == var.node_count
    error_message = "node_count must be a whole number between 1 and 16."
  }
}

variable "spot" {
  description = "Buy spare capacity: cheaper, may be taken back with two minutes' notice."
  type        = bool
  default     = false
}

variable "spot_max_price" {
  description = "USD per hour that a spot instance may cost at most; 0 for no more than on demand. A later change leaves running instances alone."
  type        = number
  default     = 0

  validation {
    condition     = var.spot_max_price >= 0
    error_message = "spot_max_price must be 0 or more."
  }
}

variable "allow_cpu_instance" {
  description = "Accept an instance type without a GPU, for a trial run."
  type        = bool
  default     = false
}
