output "role_name" {
  description = "Name of the role."
  value       = aws_iam_role.this.name
}

output "instance_profile_name" {
  description = "Name of the instance profile."
  value       = aws_iam_instance_profile.this.name

  # An instance that starts may use its role at once.
  depends_on = [aws_iam_role_policy.bucket, aws_iam_role_policy.data]
}

output "key_name" {
  description = "Name of the key pair."
  value       = aws_key_pair.this.key_name
}
