mock_provider "aws" {
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::deployer-demo-abc123" }
  }
}

variables {
  name = "deployer-demo-abc123"
}

run "requires_encryption_versions_and_no_public_access" {
  command = plan

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    error_message = "Objects must be encrypted at rest."
  }

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "Versions must be kept: a sync that goes wrong can then be undone."
  }

  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls,
      aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls,
      aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "Nothing in the bucket may ever be public."
  }

  assert {
    condition     = aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "Access lists must be off."
  }
}

run "requires_incomplete_uploads_to_end" {
  command = plan

  assert {
    condition     = aws_s3_bucket.this.lifecycle_rule[0].enabled && aws_s3_bucket.this.lifecycle_rule[0].abort_incomplete_multipart_upload_days == 1
    error_message = "The parts of an upload that broke off are billed until they are aborted."
  }
}

run "requires_tls" {
  command = apply

  assert {
    condition = alltrue([
      for statement in [jsondecode(aws_s3_bucket_policy.this.policy).Statement[0]] :
      statement.Effect == "Deny" && statement.Principal == "*" && statement.Action == "s3:*" &&
      statement.Condition == { Bool = { "aws:SecureTransport" = "false" } } &&
      toset(statement.Resource) == toset(["arn:aws:s3:::deployer-demo-abc123", "arn:aws:s3:::deployer-demo-abc123/*"])
    ])
    error_message = "The bucket and everything in it must refuse requests without TLS."
  }
}

run "creates_a_bucket_that_can_be_destroyed_with_its_content" {
  command = plan

  assert {
    condition     = aws_s3_bucket.this.force_destroy && aws_s3_bucket.this.bucket == "deployer-demo-abc123"
    error_message = "`down` leaves nothing behind, and so must not stop at a bucket with objects in it."
  }
}

run "rejects_upper_case" {
  command = plan
  variables { name = "Deployer-Demo" }
  expect_failures = [var.name]
}

run "rejects_underscores" {
  command = plan
  variables { name = "deployer_demo" }
  expect_failures = [var.name]
}

run "rejects_a_dot_because_tls_names_do_not_match_it" {
  command = plan
  variables { name = "deployer.demo" }
  expect_failures = [var.name]
}

run "rejects_two_letters" {
  command = plan
  variables { name = "ab" }
  expect_failures = [var.name]
}

run "rejects_64_letters" {
  command = plan
  variables { name = "a123456789012345678901234567890123456789012345678901234567890123" }
  expect_failures = [var.name]
}

run "rejects_a_hyphen_at_the_end" {
  command = plan
  variables { name = "deployer-demo-" }
  expect_failures = [var.name]
}

run "rejects_a_reserved_prefix" {
  command = plan
  variables { name = "xn--deployer" }
  expect_failures = [var.name]
}

run "rejects_a_reserved_suffix" {
  command = plan
  variables { name = "deployer-s3alias" }
  expect_failures = [var.name]
}
