# Required

variable "name" {
  description = "Name of the bucket; global in AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "A bucket name has 3 to 63 lower-case letters, digits and hyphens, and no hyphen at either end."
  }

  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html, 2026-11
  validation {
    condition = !anytrue(concat(
      [for prefix in ["xn--", "sthree-", "amzn-s3-demo-"] : startswith(var.name, prefix)],
      [for suffix in ["-s3alias", "--ol-s3", "--x-s3", "--table-s3"] : endswith(var.name, suffix)],
    ))
    error_message = "AWS reserves bucket names that start with xn--, sthree- or amzn-s3-demo-, or end with -s3alias, --ol-s3, --x-s3 or --table-s3."
  }
}
