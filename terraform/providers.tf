# Neither block names an endpoint or a credential: the AWS environment variables alone say which cloud this is.

provider "aws" {
  region = var.region

  default_tags {
    tags = local.tags
  }
}

# AWS answers "no capacity" with HTTP 500, which the provider retries 25 times, about 50 minutes. Two attempts for
# launching alone give the caller its answer in a second, so that it can try the next zone. An aliased provider
# inherits nothing, so the tags are repeated.
provider "aws" {
  alias       = "launch"
  region      = var.region
  max_retries = 2

  default_tags {
    tags = local.tags
  }
}
