locals {
  # Both buckets are in the same partition: aws, aws-cn or aws-us-gov.
  data_arn = "arn:${split(":", var.bucket_arn)[1]}:s3:::${var.data_bucket}"
}

resource "aws_key_pair" "this" {
  key_name   = var.name
  public_key = var.ssh_public_key
}

resource "aws_iam_role" "this" {
  name        = var.name
  description = "What a training instance may do: read data, write runs"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "bucket" {
  name = "bucket"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "ListPrefixes"
        Effect    = "Allow"
        Action    = "s3:ListBucket"
        Resource  = var.bucket_arn
        Condition = { StringLike = { "s3:prefix" = ["data/*", "runs/*"] } }
      },
      {
        Sid      = "ReadData"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "${var.bucket_arn}/data/*"
      },
      {
        Sid      = "ReadAndWriteRuns"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"]
        Resource = "${var.bucket_arn}/runs/*"
      },
    ]
  })
}

# Images of the user's that are on S3 already: these may be read where they are, and nothing beside them.
resource "aws_iam_role_policy" "data" {
  count = var.data_bucket == "" ? 0 : 1

  name = "data"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      merge(
        {
          Sid      = "ListImages"
          Effect   = "Allow"
          Action   = "s3:ListBucket"
          Resource = local.data_arn
        },
        var.data_prefix == "" ? {} : { Condition = { StringLike = { "s3:prefix" = "${var.data_prefix}*" } } },
      ),
      {
        Sid      = "ReadImages"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "${local.data_arn}/${var.data_prefix}*"
      },
    ]
  })
}

resource "aws_iam_instance_profile" "this" {
  name = var.name
  role = aws_iam_role.this.name
}
