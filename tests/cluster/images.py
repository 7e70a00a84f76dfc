"""The images that tests build from and run: made from this machine's own packages and programs, never downloaded.

What belongs to the machine (its CA bundle, its package settings) goes in when an image is made, and decides the name
of its place in the cache; nothing of it is in the repository.

Static busybox has quirks that Pods of tests must know: its `nslookup` ignores the search list for names with a dot,
and its `wget` crashes on names (glibc's resolver cannot be linked statically), so it wants an address.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import ClusterError
from .layers import Entry, Image, write_layout, write_tar
from .locks import locked
from .programs import KANIKO, KANIKO_GOOGLE, Family, Say, build_family, say_on_stdout
from .settings import CACHE_FOLDER

CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
BUSYBOX = Path("/bin/busybox")
SUITE = "bookworm"
DEBIAN_PACKAGES = ("ca-certificates", "python3", "python3-pip", "python3-venv")
# Raised when the recipes below change, so that images in the cache made by older ones are not used.
RECIPE = 1
# Debian merges /usr with a package that brings 50 MB of Perl; this hook of mmdebstrap's own does it without.
MERGED_USR = "/usr/share/mmdebstrap/hooks/merged-usr"


@dataclass(frozen=True)
class Recipe:
    """An image, what it depends on, and how to make its layer."""

    image: Image
    inputs: Callable[[], list[str]]
    write_layer: Callable[[Path], None]

    def layout(self) -> Path:
        """The image's place in the cache."""
        key = hashlib.sha256(json.dumps([RECIPE, repr(self.image), self.inputs()]).encode()).hexdigest()[:16]
        return CACHE_FOLDER / "images" / f"{self.image.name.replace(':', '-').replace('/', '-')}-{key}"

    def make(self, say: Say = say_on_stdout) -> Path:
        """Return the image's OCI layout, made now if the cache has it not."""
        layout = self.layout()
        with locked(layout.with_suffix(".lock"), say, f"waiting for another process that makes {self.image.name} …"):
            if layout.is_dir():
                return layout
            started = time.monotonic()
            say(f"making image {self.image.name} …")
            with tempfile.TemporaryDirectory(prefix="imagebuild-image-") as folder:
                layer = Path(folder) / "layer.tar"
                self.write_layer(layer)
                write_layout(self.image, layer, layout)
            say(f"made image {self.image.name} in {time.monotonic() - started:.0f} s")
        return layout


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _busybox_files() -> dict[str, Entry]:
    """Busybox with a link for each of its applets, and the folders that programs expect."""
    applets = subprocess.run([BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    files = {"bin": Entry(folder=True, mode=0o755), "bin/busybox": Entry(source=BUSYBOX, mode=0o755)}
    files.update({f"bin/{name}": Entry(link="busybox") for name in sorted(applets) if name != "busybox"})
    files.update({name: Entry(folder=True, mode=0o755) for name in ("etc", "root", "var", "usr", "home")})
    files["tmp"] = Entry(folder=True, mode=0o1777)
    files["etc/passwd"] = Entry(b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n")
    files["etc/group"] = Entry(b"root:x:0:\nnogroup:x:65534:\n")
    files["usr/bin"] = Entry(folder=True, mode=0o755)
    files["usr/bin/env"] = Entry(link="/bin/busybox")
    return files


def _kaniko_files(family: Family) -> dict[str, Entry]:
    """The executor's image as its projects lay it out, see deploy/Dockerfile of any of them."""
    programs = {program.name: family.binaries / program.name for program in family.programs}
    return {
        "kaniko": Entry(folder=True, mode=0o777),
        **{f"kaniko/{name}": Entry(source=file, mode=0o755) for name, file in programs.items()},
        "kaniko/.docker": Entry(folder=True, mode=0o755),
        "kaniko/ssl": Entry(folder=True, mode=0o755),
        "kaniko/ssl/certs": Entry(folder=True, mode=0o755),
        "kaniko/ssl/certs/ca-certificates.crt": Entry(source=CA_BUNDLE),
        "etc": Entry(folder=True, mode=0o755),
        "etc/nsswitch.conf": Entry(b"hosts: files dns\n"),
        "workspace": Entry(folder=True, mode=0o755),
    }


def _package_sources() -> str:
    """This machine's own apt sources, both formats, the disabled ones and other vendors' left out."""
    folder = Path("/etc/apt")
    texts = [file.read_text() for file in (folder / "sources.list", folder / "sources.list.d" / "debian.sources")
             if file.exists()]  # fmt: skip
    lines = [line for text in texts for line in text.splitlines() if not line.startswith("#")]
    return "\n".join(lines).strip() + "\n"


def _apt_settings() -> list[str]:
    """This machine's settings for reaching its sources: proxies and certificates."""
    dump = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    wanted = ("Acquire::http::", "Acquire::https::")
    return [line for line in dump.splitlines() if line.startswith(wanted) and not line.endswith('"";')]


def _pip_settings() -> str:
    """This machine's pip settings as an /etc/pip.conf: index and proxy as they are, certificates from the image."""
    command = [sys.executable, "-m", "pip", "config", "list", "--disable-pip-version-check"]
    listing = subprocess.run(command, capture_output=True, text=True).stdout
    settings = {"cert": str(CA_BUNDLE), "timeout": "60", "disable-pip-version-check": "true"}
    for line in listing.splitlines():
        name, _, value = line.partition("=")
        key = name.rpartition(".")[2]
        if key in ("index-url", "extra-index-url", "trusted-host", "proxy"):
            settings[key] = value.strip().strip("'\"")
    return "[global]\n" + "".join(f"{key} = {value}\n" for key, value in sorted(settings.items()))


def _write_debian(layer: Path) -> None:
    """Bootstrap Debian with Python, able to reach the package registries just as this machine is."""
    with tempfile.TemporaryDirectory(prefix="imagebuild-debian-") as name:
        folder = Path(name)
        sources = folder / ("debian.sources" if "URIs:" in _package_sources() else "sources.list")
        sources.write_text(_package_sources())
        (folder / "pip.conf").write_text(_pip_settings())
        root = folder / "layer.tar"
        command = [
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            f"--hook-dir={MERGED_USR}",
            f"--include={','.join(DEBIAN_PACKAGES)}",
            '--aptopt=APT::Install-Recommends "false"',
            *(f"--aptopt={line}" for line in _apt_settings()),
            *(f"--dpkgopt=path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale", "info")),
            f"--customize-hook=upload {CA_BUNDLE} {CA_BUNDLE}",
            f"--customize-hook=upload {folder}/pip.conf /etc/pip.conf",
            # They are the host's, and a Pod has its own.
            '--customize-hook=rm --force "$1"/etc/resolv.conf "$1"/etc/hostname',
            SUITE,
            str(root),
            str(sources),
        ]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "0"}
        result = subprocess.run(command, capture_output=True, text=True, env=environment)
        if result.returncode != 0:
            raise ClusterError(f"mmdebstrap failed:\n{result.stderr[-4000:]}")
        root.rename(layer)


def _from_files(files: Callable[[], Mapping[str, Entry]]) -> Callable[[Path], None]:
    return lambda layer: write_tar(files(), layer)


SHELL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PAUSE = Recipe(
    Image("pause:1", entrypoint=("/bin/busybox", "sleep", "infinity")),
    lambda: [_hash(BUSYBOX)],
    _from_files(_busybox_files),
)
BUSYBOX_IMAGE = Recipe(
    Image("busybox:latest", command=("sh",), environment={"PATH": SHELL_PATH}),
    lambda: [_hash(BUSYBOX)],
    _from_files(_busybox_files),
)


def _kaniko_recipe(tag: str, family: Family) -> Recipe:
    image = Image(
        f"kaniko-executor:{tag}",
        entrypoint=("/kaniko/executor",),
        environment={
            "HOME": "/root",
            "USER": "root",
            "PATH": "/usr/local/bin:/kaniko",
            "SSL_CERT_DIR": "/kaniko/ssl/certs",
            "DOCKER_CONFIG": "/kaniko/.docker/",
            "DOCKER_CREDENTIAL_GCR_CONFIG": "/kaniko/.config/gcloud/docker_credential_gcr_config.json",
        },
        working_folder="/workspace",
    )
    return Recipe(image, lambda: [family.key, _hash(CA_BUNDLE)], _from_files(lambda: _kaniko_files(family)))


KANIKO_IMAGE = _kaniko_recipe("chainguard", KANIKO)
# Made when a test asks for it.
GOOGLE_IMAGE = _kaniko_recipe("google", KANIKO_GOOGLE)
DEBIAN_IMAGE = Recipe(
    Image("debian:bookworm-python", command=("bash",), environment={"PATH": SHELL_PATH}),
    lambda: [*DEBIAN_PACKAGES, _package_sources(), *_apt_settings(), _pip_settings(), _hash(CA_BUNDLE)],
    _write_debian,
)
RECIPES = (PAUSE, BUSYBOX_IMAGE, KANIKO_IMAGE, DEBIAN_IMAGE)


def make_all(say: Say = say_on_stdout) -> dict[str, Path]:
    """Make what is missing in the cache; the OCI layout of each image by its name."""
    return {recipe.image.name: recipe.make(say) for recipe in RECIPES}


def make_google_executor(say: Say = say_on_stdout) -> Path:
    """The OCI layout of Google's own executor, its warmer beside it; building it takes a minute or two, once."""
    build_family(KANIKO_GOOGLE, say)
    return GOOGLE_IMAGE.make(say)
