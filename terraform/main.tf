locals {
  # IAM names are global in an account: without the region, one deployment name in two regions would collide.
  identity = "deployer-${var.name}-${var.region}"

  # `deployer down` finds what is left by these tags, not by the state.
  tags = merge(
    {
      "deployer:deployment" = var.name
      "deployer:managed-by" = "deployer"
    },
    var.deployment_id == "" ? {} : { "deployer:id" = var.deployment_id },
  )
}

module "network" {
  source = "./modules/network"

  name                = local.identity
  allowed_cidr        = var.allowed_cidr
  auto_assign_address = var.cloud9_enabled
}

module "bucket" {
  source = "./modules/bucket"

  name = var.bucket_name
}

module "access" {
  source = "./modules/access"

  name           = local.identity
  ssh_public_key = var.ssh_public_key
  bucket_arn     = module.bucket.arn
  data_bucket    = var.data_bucket
  data_prefix    = var.data_prefix
}

module "gpu_instance" {
  source    = "./modules/gpu_instance"
  providers = { aws = aws.launch }

  name               = local.identity
  instance_type      = var.instance_type
  allow_cpu_instance = var.allow_cpu_instance
  node_count         = var.node_count
  spot               = var.spot
  spot_max_price     = var.spot_max_price
  ami_id             = var.ami_id
  user_data          = var.user_data
  root_volume_gb     = var.root_volume_gb

  placement = {
    subnet_id             = lookup(module.network.subnet_ids, var.availability_zone, "")
    security_group_id     = module.network.security_group_id
    key_name              = module.access.key_name
    instance_profile_name = module.access.instance_profile_name
  }

  # The endpoint and the routes before the machine: its first boot reads S3, and a refused launch is answered at once,
  # not after Terraform has waited for what it makes beside it.
  depends_on = [module.network]
}

module "cloud9" {
  source = "./modules/cloud9"
  count  = var.cloud9_enabled ? 1 : 0

  name            = local.identity
  subnet_ids      = module.network.subnet_ids
  create_ssm_role = var.cloud9_create_role
}

# Takes over a bucket that an earlier `down --keep-bucket` left behind; nothing happens once it is in the state.
import {
  for_each = var.adopt_bucket ? toset([var.bucket_name]) : toset([])

  to = module.bucket.aws_s3_bucket.this
  id = each.value
}
