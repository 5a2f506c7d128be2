output "id" {
  description = "Id of the environment."
  value       = aws_cloud9_environment_ec2.this.id
}

output "url" {
  description = "Address of the environment in the AWS console."
  value       = "https://${data.aws_region.this.name}.console.aws.amazon.com/cloud9/ide/${aws_cloud9_environment_ec2.this.id}"
}
