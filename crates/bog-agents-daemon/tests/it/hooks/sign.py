"""Signs a webhook body, independently of the daemon: sign.py SCHEME SECRET SECONDS < BODY prints headers, one a line."""

import base64
import hashlib
import hmac
import sys

scheme, secret, time = sys.argv[1:4]
body = sys.stdin.buffer.read()


def mac(key: bytes, text: bytes) -> bytes:
    return hmac.new(key, text, hashlib.sha256).digest()


key = secret.encode()
stamp = time.encode()
if scheme == "github":
    print("X-Hub-Signature-256: sha256=" + mac(key, body).hex())
elif scheme == "standard":
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signature = base64.b64encode(mac(key, b"msg_1." + stamp + b"." + body)).decode()
    print(f"webhook-id: msg_1\nwebhook-timestamp: {time}\nwebhook-signature: v1,{signature}")
elif scheme == "slack":
    signature = mac(key, b"v0:" + stamp + b":" + body).hex()
    print(f"X-Slack-Request-Timestamp: {time}\nX-Slack-Signature: v0={signature}")
elif scheme == "stripe":
    print(f"Stripe-Signature: t={time},v1={mac(key, stamp + b'.' + body).hex()},v0=00")
elif scheme == "gitlab":
    print(f"X-Gitlab-Token: {secret}")
else:
    sys.exit(f"no scheme {scheme}")
