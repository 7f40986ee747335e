"""Prepares moto: a bucket, and a user who may use it and nothing else. Prints `ID SECRET` of the user.

`stores_user.py URL` has moto check every request from then on; `stores_user.py URL public` leaves it open.
"""

import json
import sys
import urllib.request

import boto3

BUCKET = "outflow"

url = sys.argv[1]
root = {
    "endpoint_url": url,
    "aws_access_key_id": "root",
    "aws_secret_access_key": "root",
    "region_name": "us-east-1",
}
boto3.client("s3", **root).create_bucket(Bucket=BUCKET)
arn = f"arn:aws:s3:::{BUCKET}"
policy = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": [arn, f"{arn}/*"]}],
}
iam = boto3.client("iam", **root)
iam.create_user(UserName="outflow")
iam.put_user_policy(UserName="outflow", PolicyName="own", PolicyDocument=json.dumps(policy))
key = iam.create_access_key(UserName="outflow")["AccessKey"]
if sys.argv[2:] == ["public"]:
    policy["Statement"][0]["Principal"] = "*"
    boto3.client("s3", **root).put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
else:
    request = urllib.request.Request(
        f"{url}/moto-api/reset-auth", data=b"0", method="POST", headers={"Content-Type": "text/plain"}
    )
    urllib.request.urlopen(request, timeout=30).read()
print(key["AccessKeyId"], key["SecretAccessKey"])
