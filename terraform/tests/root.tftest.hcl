mock_provider "aws" {
  mock_data "aws_availability_zones" {
    defaults = { names = ["us-east-1a", "us-east-1b"] }
  }

  mock_data "aws_ec2_instance_type_offerings" {
    defaults = { locations = ["us-east-1a"] }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::deployer-demo-abc123" }
  }
}

mock_provider "aws" {
  alias = "launch"
}

variables {
  name              = "demo"
  region            = "us-east-1"
  availability_zone = "us-east-1b"
  instance_type     = "g4dn.xlarge"
  ami_id            = "ami-0123456789abcdef0"
  root_volume_gb    = 100
  user_data         = "#cloud-config\n"
  ssh_public_key    = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBmtqJbX5m2ZC3Wl7QJwBq3mS3cWk5mR3QY3v0m8Z1aB demo"
  allowed_cidr      = "203.0.113.7/32"
  bucket_name       = "deployer-demo-abc123"
}

run "creates_a_deployment_named_after_its_region" {
  command = apply

  assert {
    condition     = output.role_name == "deployer-demo-us-east-1" && output.key_name == "deployer-demo-us-east-1"
    error_message = "Two regions share one IAM: the region must be part of the name."
  }

  assert {
    condition     = length(output.instance_ids) == 1 && output.cloud9_url == null
    error_message = "Without a word about it, there is one instance and no Cloud9."
  }
}

run "requires_the_tags_by_which_down_finds_what_is_left" {
  command = plan
  variables { deployment_id = "4f1c" }

  assert {
    condition = local.tags == {
      "deployer:deployment" = "demo"
      "deployer:managed-by" = "deployer"
      "deployer:id"         = "4f1c"
    }
    error_message = "Every resource must carry the deployment's name and id."
  }
}

run "creates_cloud9_when_asked" {
  command = apply
  variables { cloud9_enabled = true }

  assert {
    condition     = startswith(output.cloud9_url, "https://")
    error_message = "cloud9_enabled must give an address."
  }
}

run "creates_names_within_the_limits_of_aws" {
  command = apply
  variables {
    name              = "a-deployment-named-x"
    region            = "ap-southeast-1"
    availability_zone = "ap-southeast-1a"
  }

  override_data {
    target = module.network.data.aws_availability_zones.this
    values = { names = ["ap-southeast-1a"] }
  }

  assert {
    condition     = length(output.role_name) <= 60
    error_message = "A Cloud9 environment takes 60 characters, a role 64."
  }
}

run "rejects_a_zone_of_another_region" {
  command = plan
  variables { availability_zone = "us-west-2a" }
  expect_failures = [var.availability_zone]
}

run "rejects_a_zone_for_a_region" {
  command = plan
  variables {
    region            = "us-east-1b"
    availability_zone = "us-east-1b"
  }
  expect_failures = [var.region]
}

run "rejects_a_name_that_aws_refuses" {
  command = plan
  variables { name = "Demo_1" }
  expect_failures = [var.name]
}
