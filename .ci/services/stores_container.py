"""Makes the container `outflow` in Azurite: `stores_container.py URL`, where URL ends in the name of its one account.

The request is signed as <https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key> says.
"""

import base64
import hashlib
import hmac
import sys
import urllib.parse
import urllib.request
from email.utils import formatdate

CONTAINER = "outflow"
ACCOUNT = "devstoreaccount1"
# The same on every machine: <https://learn.microsoft.com/azure/storage/common/storage-use-azurite>.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

address = f"{sys.argv[1]}/{CONTAINER}"
date = formatdate(usegmt=True)
headers = f"x-ms-date:{date}\nx-ms-version:2021-12-02\n"
resource = f"/{ACCOUNT}{urllib.parse.urlparse(address).path}\nrestype:container"
text = "PUT" + "\n" * 12 + headers + resource
signature = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
request = urllib.request.Request(
    f"{address}?restype=container",
    method="PUT",
    headers={
        "x-ms-date": date,
        "x-ms-version": "2021-12-02",
        "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(signature).decode()}",
    },
)
urllib.request.urlopen(request, timeout=30).read()
