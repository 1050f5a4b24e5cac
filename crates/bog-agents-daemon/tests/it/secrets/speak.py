"""An agent that tells its secrets in every way, and before that shows that it has them: `speak.py HOW [WORD...]`."""
import base64, hashlib, json, os, subprocess, sys, time, urllib.parse

how, names = sys.argv[1], ["ENV_KEY", "FILE_KEY", "CREDENTIAL_KEY", "KEYRING_KEY"]
values = {name: os.environ[name] for name in names}
with open("proof-" + os.environ["BOG_RUN_ID"], "w") as proof:
    for name in names:
        proof.write(f"{name} {hashlib.sha256(values[name].encode()).hexdigest()}\n")
told = sys.stdin.read() + " ".join(sys.argv[2:])
for stream in (1, 2):
    for name in names:
        value = values[name]
        raw = value.encode()
        basic = base64.b64encode(b"user:" + raw)
        for text in (
            f"{name} is {value} and {told}\n",
            f"Authorization: Basic {basic.decode()}\n",
            base64.urlsafe_b64encode(b"\xff" + raw * 9).decode() + "\n",
            base64.encodebytes(raw * 9).decode(),
            f"{raw.hex()} {raw.hex().upper()} {urllib.parse.quote(value)} {urllib.parse.quote_plus(value)}\n",
            json.dumps({"error": f"bad credentials: {value}", "ascii": value}) + "\n",
        ):
            os.write(stream, text.encode())
        for byte in raw + b"\n" + basic + b"\n":
            os.write(stream, bytes([byte]))
    subprocess.run(["sh", "-c", "echo \"child was given $1\"", "sh", values["ENV_KEY"]], check=True, stdout=stream)
if how == "fail":
    sys.exit(f"cannot go on with {values['ENV_KEY']}")
if how == "wait":
    while not os.path.exists("go"):
        time.sleep(0.02)
if how == "hang":
    while True:
        time.sleep(1)
