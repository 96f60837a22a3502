"""The installed libhpe_edge, used by other projects: through CMake's find_package and through pkg-config."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from specs import SPECS

from hpe_edge.version import __version__

PROGRAM = """
#include <hpe_edge.h>
#include <stdio.h>
#include <string.h>
int main(int argc, char** argv) {
    hpe_spec* spec = NULL;
    hpe_spec_info info;
    if (argc != 2 || hpe_spec_read(argv[1], strlen(argv[1]), &spec) != HPE_OK) return puts(hpe_last_error()), 1;
    if (hpe_spec_describe(spec, &info, sizeof info) != HPE_OK) return 1;
    printf("%s %d %s\\n", hpe_version(), info.input_size, info.architecture);
    hpe_spec_free(spec);
    return 0;
}
"""
PROJECT = """
cmake_minimum_required(VERSION 3.18...3.31)
project(other LANGUAGES {languages})
find_package(hpe_edge {version} REQUIRED)
add_executable(other main.{suffix})
target_link_libraries(other PRIVATE hpe_edge::hpe_edge)
"""
SPEC = SPECS["bins"].to_json()


def configure(folder: Path, prefix: Path, suffix: str, version: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    (folder / f"main.{suffix}").write_text(PROGRAM)
    languages = "C" if suffix == "c" else "CXX"
    (folder / "CMakeLists.txt").write_text(PROJECT.format(languages=languages, version=version, suffix=suffix))
    command = ["cmake", "-S", folder, "-B", folder / "build", f"-DCMAKE_PREFIX_PATH={prefix}"]
    return subprocess.run(command, capture_output=True, text=True)


def expected() -> str:
    return f"{__version__} {SPECS['bins'].input.size} tiny\n"


@pytest.mark.parametrize("suffix", ["c", "cpp"])
def test_a_cmake_project_finds_it(prefix: Path, tmp_path: Path, suffix: str) -> None:
    configured = configure(tmp_path, prefix, suffix, ".".join(__version__.split(".")[:2]))
    assert configured.returncode == 0, configured.stderr
    subprocess.run(["cmake", "--build", tmp_path / "build"], check=True, capture_output=True)
    done = subprocess.run([tmp_path / "build" / "other", SPEC], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, expected())


def test_a_cmake_project_for_another_version_is_told(prefix: Path, tmp_path: Path) -> None:
    configured = configure(tmp_path, prefix, "c", "99.0")
    assert configured.returncode != 0 and __version__ in configured.stderr


def test_pkg_config_finds_it(prefix: Path, tmp_path: Path) -> None:
    (folder,) = (path.parent for path in prefix.glob("**/hpe_edge.pc"))
    environment = {**os.environ, "PKG_CONFIG_PATH": str(folder)}
    (tmp_path / "main.c").write_text(PROGRAM)
    # pkg-config escapes blanks as a shell reads them.
    build = 'eval "cc -std=c99 main.c $(pkg-config --cflags --libs hpe_edge) -o other"'
    version = subprocess.run(
        ["pkg-config", "--modversion", "hpe_edge"], env=environment, capture_output=True, text=True
    )
    assert version.stdout.strip() == __version__
    subprocess.run(["bash", "-c", build], cwd=tmp_path, env=environment, check=True)
    environment["LD_LIBRARY_PATH"] = str(folder.parent)
    done = subprocess.run([tmp_path / "other", SPEC], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, expected())


def test_a_wheel_has_nothing_of_it() -> None:
    """The C interface is built on request alone; scikit-build takes the defaults."""
    root = Path(__file__).parents[2]
    assert (
        'option(HPE_EDGE_C_LIBRARY "Build libhpe_edge, the C interface" OFF)' in (root / "CMakeLists.txt").read_text()
    )
    assert "HPE_EDGE_C_LIBRARY" not in (root / "pyproject.toml").read_text()
