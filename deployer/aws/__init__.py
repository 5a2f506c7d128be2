"""AWS behind frozen dataclasses: boto3 and its dictionaries stop here."""
