output "ids" {
  description = "Ids of the instances, node 0 first."
  value       = aws_instance.node[*].id
}

output "types" {
  description = "Types of the instances."
  value       = aws_instance.node[*].instance_type
}

output "availability_zones" {
  description = "Zones of the instances."
  value       = aws_instance.node[*].availability_zone
}

output "public_ips" {
  description = "Public IPv4 addresses of the instances."
  value       = aws_instance.node[*].public_ip
}

output "private_ips" {
  description = "Private IPv4 addresses of the instances."
  value       = aws_instance.node[*].private_ip
}
