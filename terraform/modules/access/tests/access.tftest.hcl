mock_provider "aws" {}

variables {
  name           = "deployer-demo-us-east-1"
  ssh_public_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBmtqJbX5m2ZC3Wl7QJwBq3mS3cWk5mR3QY3v0m8Z1aB demo"
  bucket_arn     = "arn:aws:s3:::deployer-demo-abc123"
}

run "creates_a_role_for_ec2" {
  command = apply

  assert {
    condition     = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Principal == { Service = "ec2.amazonaws.com" }
    error_message = "Only EC2 may take the role."
  }

  assert {
    condition     = output.role_name == "deployer-demo-us-east-1" && output.instance_profile_name == "deployer-demo-us-east-1"
    error_message = "Role and instance profile must bear the deployment's name and region."
  }
}

run "requires_least_privilege" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role_policy.bucket.policy).Statement == [
      {
        Sid       = "ListPrefixes"
        Effect    = "Allow"
        Action    = "s3:ListBucket"
        Resource  = "arn:aws:s3:::deployer-demo-abc123"
        Condition = { StringLike = { "s3:prefix" = ["data/*", "runs/*"] } }
      },
      {
        Sid      = "ReadData"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "arn:aws:s3:::deployer-demo-abc123/data/*"
      },
      {
        Sid      = "ReadAndWriteRuns"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
        Resource = "arn:aws:s3:::deployer-demo-abc123/runs/*"
      },
    ]
    error_message = "The role may list its prefixes, read data/, read and write runs/, and nothing else."
  }
}

run "creates_no_second_policy_for_images_that_are_sent" {
  command = plan

  assert {
    condition     = length(aws_iam_role_policy.data) == 0
    error_message = "Without data_bucket the role may read no other bucket."
  }
}

run "creates_the_right_to_read_images_below_their_prefix" {
  command = plan
  variables {
    data_bucket = "reef.example"
    data_prefix = "2026/frames/"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.data[0].policy).Statement == [
      {
        Sid       = "ListImages"
        Effect    = "Allow"
        Action    = "s3:ListBucket"
        Resource  = "arn:aws:s3:::reef.example"
        Condition = { StringLike = { "s3:prefix" = "2026/frames/*" } }
      },
      {
        Sid      = "ReadImages"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "arn:aws:s3:::reef.example/2026/frames/*"
      },
    ]
    error_message = "The role may list and read the images below their prefix, and nothing else of that bucket."
  }
}

run "creates_the_right_to_read_a_whole_bucket_in_its_partition" {
  command = plan
  variables {
    bucket_arn  = "arn:aws-us-gov:s3:::deployer-demo-abc123"
    data_bucket = "reef"
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.data[0].policy).Statement[0] == { Sid = "ListImages", Effect = "Allow", Action = "s3:ListBucket", Resource = "arn:aws-us-gov:s3:::reef" }
    error_message = "Without a prefix the whole bucket is listed, in the partition of the deployment."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.data[0].policy).Statement[1].Resource == "arn:aws-us-gov:s3:::reef/*"
    error_message = "Without a prefix every object may be read."
  }
}

run "rejects_a_pattern_of_buckets" {
  command = plan
  variables { data_bucket = "reef-*" }
  expect_failures = [var.data_bucket]
}

run "rejects_a_prefix_that_other_folders_share" {
  command = plan
  variables { data_prefix = "reef" }
  expect_failures = [var.data_prefix]
}

run "rejects_a_pattern_of_prefixes" {
  command = plan
  variables { data_prefix = "*/" }
  expect_failures = [var.data_prefix]
}

run "creates_the_key_pair_from_the_public_key" {
  command = plan

  assert {
    condition     = aws_key_pair.this.public_key == var.ssh_public_key && aws_key_pair.this.key_name == "deployer-demo-us-east-1"
    error_message = "AWS must get the public key that the caller made; the private one never enters the state."
  }
}

run "rejects_an_rsa_key" {
  command = plan
  variables { ssh_public_key = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 demo" }
  expect_failures = [var.ssh_public_key]
}

run "rejects_a_private_key" {
  command = plan
  variables { ssh_public_key = "-----BEGIN OPENSSH PRIVATE KEY-----" }
  expect_failures = [var.ssh_public_key]
}

run "rejects_two_keys" {
  command = plan
  variables {
    ssh_public_key = <<-EOT
      ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBmtqJbX5m2ZC3Wl7QJwBq3mS3cWk5mR3QY3v0m8Z1aB demo
      ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBmtqJbX5m2ZC3Wl7QJwBq3mS3cWk5mR3QY3v0m8Z1aB other
    EOT
  }
  expect_failures = [var.ssh_public_key]
}

run "rejects_every_bucket" {
  command = plan
  variables { bucket_arn = "arn:aws:s3:::*" }
  expect_failures = [var.bucket_arn]
}

run "rejects_a_role_name_longer_than_aws_takes" {
  command = plan
  variables { name = "a1234567890123456789012345678901234567890123456789012345678901234" }
  expect_failures = [var.name]
}
