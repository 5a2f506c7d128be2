output "instance_ids" {
  description = "Ids of the instances, node 0 first."
  value       = module.gpu_instance.ids
}

output "instance_types" {
  description = "Types of the instances, in the order of instance_ids."
  value       = module.gpu_instance.types
}

output "availability_zones" {
  description = "Zones of the instances, in the order of instance_ids."
  value       = module.gpu_instance.availability_zones
}

output "public_ips" {
  description = "Public IPv4 addresses, in the order of instance_ids."
  value       = module.gpu_instance.public_ips
}

output "private_ips" {
  description = "Private IPv4 addresses, in the order of instance_ids."
  value       = module.gpu_instance.private_ips
}

output "bucket_name" {
  description = "Name of the bucket: images under data/, results under runs/."
  value       = module.bucket.name
}

output "role_name" {
  description = "Role that the instances run as."
  value       = module.access.role_name
}

output "key_name" {
  description = "Name of the key pair."
  value       = module.access.key_name
}

output "vpc_id" {
  description = "Id of the VPC."
  value       = module.network.vpc_id
}

output "security_group_id" {
  description = "Id of the security group that opens port 22 to allowed_cidr."
  value       = module.network.security_group_id
}

output "cloud9_url" {
  description = "Address of the Cloud9 environment; null when it is off."
  value       = one(module.cloud9[*].url)
}
