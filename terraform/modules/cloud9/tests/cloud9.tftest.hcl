mock_provider "aws" {
  mock_data "aws_ec2_instance_type_offerings" {
    defaults = { locations = ["us-east-1f", "us-east-1b"] }
  }

  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_resource "aws_cloud9_environment_ec2" {
    defaults = { id = "0123456789abcdef" }
  }
}

variables {
  name = "deployer-demo-us-east-1"
  subnet_ids = {
    "us-east-1a" = "subnet-a"
    "us-east-1b" = "subnet-b"
    "us-east-1f" = "subnet-f"
  }
}

run "creates_an_environment_without_ingress" {
  command = apply

  assert {
    condition     = aws_cloud9_environment_ec2.this.connection_type == "CONNECT_SSM"
    error_message = "The environment must be reached through Session Manager: no port is open for it."
  }

  assert {
    condition     = aws_cloud9_environment_ec2.this.subnet_id == "subnet-b"
    error_message = "The environment must stand in the first zone that sells its instance type."
  }

  assert {
    condition     = output.url == "https://us-east-1.console.aws.amazon.com/cloud9/ide/0123456789abcdef"
    error_message = "The address must open the environment in the console."
  }
}

run "creates_the_role_that_cloud9_insists_on" {
  command = plan

  assert {
    condition = (
      aws_iam_role.ssm[0].name == "AWSCloud9SSMAccessRole" && aws_iam_role.ssm[0].path == "/service-role/" &&
      aws_iam_instance_profile.ssm[0].name == "AWSCloud9SSMInstanceProfile" && aws_iam_instance_profile.ssm[0].path == "/cloud9/" &&
      aws_iam_role_policy_attachment.ssm[0].policy_arn == "arn:aws:iam::aws:policy/AWSCloud9SSMInstanceProfile"
    )
    error_message = "Cloud9 looks for these names and paths and takes no others."
  }
}

run "creates_no_role_where_the_account_has_it" {
  command = plan
  variables { create_ssm_role = false }

  assert {
    condition     = length(aws_iam_role.ssm) + length(aws_iam_instance_profile.ssm) + length(aws_iam_role_policy_attachment.ssm) == 0
    error_message = "The role belongs to the whole account and must not be made twice."
  }
}

run "requires_that_an_idle_environment_stops" {
  command = plan

  assert {
    condition     = aws_cloud9_environment_ec2.this.automatic_stop_time_minutes == 30
    error_message = "An environment without a visitor must stop after half an hour."
  }
}

run "rejects_an_environment_that_never_stops" {
  command = plan
  variables { automatic_stop_time_minutes = 0 }
  expect_failures = [var.automatic_stop_time_minutes]
}

run "rejects_a_gpu_instance_for_the_editor" {
  command = plan
  variables { instance_type = "g4dn.xlarge" }
  expect_failures = [var.instance_type]
}

run "rejects_a_region_without_the_type" {
  command = plan
  variables { subnet_ids = { "us-east-1a" = "subnet-a" } }
  expect_failures = [aws_cloud9_environment_ec2.this]
}

run "rejects_a_name_longer_than_cloud9_takes" {
  command = plan
  variables { name = "a123456789012345678901234567890123456789012345678901234567890" }
  expect_failures = [var.name]
}
