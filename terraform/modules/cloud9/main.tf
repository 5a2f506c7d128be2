data "aws_region" "this" {}

data "aws_partition" "this" {}

# Not every zone sells every small type: take the first zone that has it, the same one on every run.
data "aws_ec2_instance_type_offerings" "this" {
  location_type = "availability-zone"

  filter {
    name   = "instance-type"
    values = [var.instance_type]
  }
}

locals {
  zones = sort(setintersection(keys(var.subnet_ids), data.aws_ec2_instance_type_offerings.this.locations))
}

# AWS fixes the names and paths of these two: Cloud9's own service-linked role may pass only them.
# https://docs.aws.amazon.com/cloud9/latest/user-guide/ec2-ssm.html
resource "aws_iam_role" "ssm" {
  count = var.create_ssm_role ? 1 : 0

  name = "AWSCloud9SSMAccessRole"
  path = "/service-role/"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = ["cloud9.amazonaws.com", "ec2.amazonaws.com"] }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "ssm" {
  count = var.create_ssm_role ? 1 : 0

  role       = aws_iam_role.ssm[0].name
  policy_arn = "arn:${data.aws_partition.this.partition}:iam::aws:policy/AWSCloud9SSMInstanceProfile"
}

resource "aws_iam_instance_profile" "ssm" {
  count = var.create_ssm_role ? 1 : 0

  name = "AWSCloud9SSMInstanceProfile"
  path = "/cloud9/"
  role = aws_iam_role.ssm[0].name
}

resource "aws_cloud9_environment_ec2" "this" {
  name                        = var.name
  description                 = "Editor beside the GPU instance"
  instance_type               = var.instance_type
  image_id                    = "ubuntu-22.04-x86_64"
  connection_type             = "CONNECT_SSM"
  automatic_stop_time_minutes = var.automatic_stop_time_minutes
  subnet_id                   = var.subnet_ids[local.zones[0]]

  lifecycle {
    precondition {
      condition     = length(local.zones) > 0
      error_message = "No availability zone of the region sells ${var.instance_type} for Cloud9; choose another instance_type."
    }
  }

  depends_on = [aws_iam_role_policy_attachment.ssm, aws_iam_instance_profile.ssm]
}
