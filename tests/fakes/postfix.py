"""A real Postfix on loopback with a private configuration and queue: nothing else of the machine is touched."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.real import free_port, program, require

MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
mail_owner = postfix
myhostname = relay.example
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
disable_dns_lookups = yes
smtp_host_lookup = native
relayhost = [127.0.0.1]:{far_end}
transport_maps = inline:{{ {{{domain}=smtp:[127.0.0.1]:{back}}} }}
smtpd_recipient_restrictions = permit_mynetworks, reject
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
delay_warning_time = 1s
maximal_queue_lifetime = 5s
bounce_queue_lifetime = 60s
"""
MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
START_S = 20.0


@contextmanager
def postfix(*, far_end: int, domain: str, back: int) -> Iterator[int]:
    """Its SMTP port. All goes to port `far_end`, but mail for `domain`, our own, to port `back`."""
    command = program("postfix")
    daemons = next((path for path in ("/usr/lib/postfix/sbin", "/usr/libexec/postfix") if Path(path).is_dir()), "")
    require(daemons, "Postfix' daemons are not where Debian or Red Hat put them")
    require(shutil.which("id") and _is_root(), "Postfix is started by root")
    folder, port = Path(tempfile.mkdtemp(prefix="postfix-")), free_port()
    folder.chmod(0o755)
    for name in ("queue", "data", "etc"):
        (folder / name).mkdir()
    shutil.chown(folder / "data", "postfix")
    (folder / "etc" / "main.cf").write_text(
        MAIN.format(folder=folder, daemons=daemons, far_end=far_end, domain=domain, back=back)
    )
    (folder / "etc" / "master.cf").write_text(MASTER.format(port=port))
    master = subprocess.Popen(
        [command, "-c", str(folder / "etc"), "start-fg"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(port, master, log=folder / "postfix.log")
        yield port
    finally:
        subprocess.run([command, "-c", str(folder / "etc"), "stop"], check=False, capture_output=True, timeout=30)
        master.wait(30)
        shutil.rmtree(folder)


def _is_root() -> bool:
    return subprocess.run(["id", "-u"], check=True, capture_output=True, text=True).stdout.strip() == "0"


def _wait_for(port: int, master: subprocess.Popen[bytes], *, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and master.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0 and probe.recv(3) == b"220":
                return
        time.sleep(0.1)
    raise TimeoutError(log.read_text() if log.exists() else "postfix did not start")
