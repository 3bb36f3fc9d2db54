"""PostgreSQL, an S3 server and MLflow's server on both, in a temporary folder and on free ports."""

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from docs.screenshots import free_port

PASSWORD: Final = "sesame-42"
"""Password of PostgreSQL; no message, log or page may have it."""
BUCKET: Final = "mlflow"
_USER: Final = "bindgrid"
_OTHER_ACCOUNT: Final = "postgres"
"""PostgreSQL refuses to run as root; Debian's package makes this account for it."""
_START_SECONDS: Final = 240


@dataclass(frozen=True, kw_only=True)
class Backend:
    """A database of PostgreSQL and a bucket of S3."""

    port: int
    endpoint: str
    environment: Mapping[str, str]
    """Credentials and address of S3, as MLflow and boto3 read them."""

    def uri(self, database: str = "postgres", password: str = PASSWORD) -> str:
        return f"postgresql://{_USER}:{password}@127.0.0.1:{self.port}/{database}"

    def make_database(self, name: str) -> str:
        """Make another database; gives its URI."""
        import psycopg

        with contextlib.closing(psycopg.connect(self.uri())) as connection:
            connection.autocommit = True
            connection.cursor().execute(f'CREATE DATABASE "{name}"')
        return self.uri(name)

    def files(self, prefix: str = "") -> set[str]:
        """Give the keys of all objects in the bucket."""
        import boto3

        pages = boto3.client("s3", endpoint_url=self.endpoint).get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=BUCKET, Prefix=prefix)
        return {one["Key"] for page in found for one in page.get("Contents", ())}


def what_is_missing() -> str:
    """Say what these servers need and this machine lacks; empty if nothing."""
    if _program("postgres") is None:
        return "no PostgreSQL: apt install postgresql"
    lacking = [name for name in ("moto", "boto3", "psycopg") if not importlib.util.find_spec(name)]
    if lacking:
        return f"not installed: {', '.join(lacking)}; pip install '.[dev]' brings them"
    if os.geteuid() == 0 and _other_account() is None:
        return f"PostgreSQL refuses root, and there is no account named {_OTHER_ACCOUNT}"
    return ""


@contextlib.contextmanager
def backend() -> Iterator[Backend]:
    """Run PostgreSQL and an S3 server for the duration of a block."""
    with contextlib.ExitStack() as stack:
        # no folder of pytest's: those of root are closed to the account that PostgreSQL needs
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bindgrid-servers-")))
        port = stack.enter_context(_postgres(folder / "postgres"))
        endpoint = stack.enter_context(_s3(folder))
        environment = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test-secret-key",
            "AWS_DEFAULT_REGION": "us-east-1",
            "MLFLOW_S3_ENDPOINT_URL": endpoint,
        }
        stack.enter_context(_variables(environment))
        import boto3

        boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=BUCKET)
        yield Backend(port=port, endpoint=endpoint, environment=environment)


@contextlib.contextmanager
def mlflow_on(
    store: str, options: Sequence[str], log: Path, port: int | None = None
) -> Iterator[str]:
    """Run `mlflow server` with bindgrid's pages for the duration of a block; yields its address.

    Parameters
    ----------
    store
        URI of the database.
    options
        Where artifacts are, as options of `mlflow server`.
    log
        File of what it says.
    port
        A free one by default.
    """
    port = port or free_port()
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--app-name", "bindgrid"),
        *("--host", "127.0.0.1", "--port", str(port), "--workers", "1", *options),
    ]
    environment = {
        **os.environ,
        "MLFLOW_BACKEND_STORE_URI": store,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    environment.pop("MLFLOW_TRACKING_URI", None)
    url = f"http://127.0.0.1:{port}"
    with _process(command, log, env=environment) as process:
        _wait(process, log, lambda: urllib.request.urlopen(f"{url}/health", timeout=5).close())
        yield url


@contextlib.contextmanager
def _postgres(folder: Path) -> Iterator[int]:
    import psycopg

    account = _other_account() if os.geteuid() == 0 else None
    folder.mkdir()
    secret = folder / "secret"
    secret.write_text(PASSWORD)
    folder.parent.chmod(0o755)
    if account is not None:
        for path in (folder, secret):
            shutil.chown(path, account)
    data = folder / "data"
    initdb = [str(_program("initdb")), "-D", str(data), "-U", _USER, "--pwfile", str(secret)]
    subprocess.run(
        [*initdb, "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-sync"],
        user=account,
        cwd=folder,
        check=True,
        capture_output=True,
    )
    port = free_port()
    settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off")
    command = [str(_program("postgres")), "-D", str(data), "-p", str(port)]
    command += [word for setting in settings for word in ("-c", setting)]
    uri = f"postgresql://{_USER}:{PASSWORD}@127.0.0.1:{port}/postgres"
    log = folder.parent / "postgres.log"
    with _process(command, log, user=account, cwd=folder, stop=signal.SIGINT) as process:
        _wait(process, log, lambda: psycopg.connect(uri, connect_timeout=5).close())
        yield port


@contextlib.contextmanager
def _s3(folder: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    url, log = f"http://127.0.0.1:{port}", folder / "s3.log"
    with _process(command, log) as process:
        _wait(process, log, lambda: urllib.request.urlopen(f"{url}/moto-api/", timeout=5).close())
        yield url


@contextlib.contextmanager
def _process(
    command: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    cwd: Path | None = None,
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env=env,
            user=user,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, stop)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait(process: subprocess.Popen[bytes], log: Path, ask: Callable[[], object]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        assert process.poll() is None, log.read_text()
        try:
            ask()
        except Exception:  # each client has its own errors
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        else:
            return


@contextlib.contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _program(name: str) -> Path | None:
    """Find a program of PostgreSQL, which Debian keeps off the path; the newest version's."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    on_path = shutil.which(name)
    return found[-1] if found else Path(on_path) if on_path else None


def _other_account() -> str | None:
    import pwd

    try:
        return pwd.getpwnam(_OTHER_ACCOUNT).pw_name
    except KeyError:
        return None
