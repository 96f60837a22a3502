#!/usr/bin/env bash
# Install hpe_edge on a Jetson, beside JetPack's CUDA, TensorRT and OpenCV, into .venv of this clone.
#   bash tools/jetson_install.sh          look, and say what would be done
#   bash tools/jetson_install.sh --yes    do it
# ROOT is for tests: the folder in which etc/ and usr/ are looked for.
set -euo pipefail
cd "$(dirname "$0")/.."
root=${ROOT:-}

fail() {
    echo "jetson_install: $1" >&2
    exit 1
}
case ${1:-} in
"") act=no ;;
--yes) act=yes ;;
*) fail "unknown option $1; give --yes, or nothing" ;;
esac

release=$root/etc/nv_tegra_release
[ -r "$release" ] || fail "this is no Jetson: there is no $release; elsewhere run pip install 'hpe-edge[video]'"
linux=$(sed -n '1s/^# R\([0-9]*\) (release), REVISION: \([0-9.]*\).*/\1.\2/p' "$release")
case $linux in
36.*) bindings='cuda-bindings>=12.9.10,<13' jetpack=6 ;;
38.* | 39.*) bindings='cuda-bindings>=13,<14' jetpack=7 ;;
3[0-5].*) fail "Jetson Linux $linux belongs to JetPack 5 or older, whose TensorRT is made for Python 3.8; update to JetPack 6" ;;
*) fail "Jetson Linux ${linux:-of an unknown version} is not known to this script; see docs/guides/jetson.md" ;;
esac
echo "found      Jetson Linux $linux, JetPack $jetpack"

wanted=(nvidia-opencv python3-libnvinfer g++ python3-dev python3-venv)
missing=()
for package in "${wanted[@]}"; do
    if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ]; then
        echo "found      $package"
    else
        missing+=("$package")
    fi
done
nvcc=$root/usr/local/cuda/bin/nvcc
if [ -x "$nvcc" ]; then echo "found      $nvcc"; else missing+=(nvidia-jetpack); fi

steps=()
[ "${#missing[@]}" = 0 ] || steps+=("sudo apt-get install -y ${missing[*]}")
if [ -x .venv/bin/python ]; then
    grep -qi '^include-system-site-packages *= *true' .venv/pyvenv.cfg ||
        fail "$PWD/.venv does not see JetPack's packages; remove it, or set include-system-site-packages = true in its pyvenv.cfg"
    echo "found      .venv"
    # pip's OpenCV hides JetPack's, and lacks GStreamer.
    hiding=$(.venv/bin/python -m pip list --local --format=freeze 2>/dev/null | sed -n 's/^\(opencv[a-z-]*\)==.*/\1/p' | tr '\n' ' ')
    [ -z "$hiding" ] || steps+=(".venv/bin/python -m pip uninstall -y ${hiding% }")
else
    steps+=("python3 -m venv --system-site-packages .venv")
fi
# JetPack 6's OpenCV and TensorRT are built for NumPy 1.
steps+=("PATH=${nvcc%/nvcc}:\$PATH .venv/bin/python -m pip install . 'numpy>=1.23,<2' onnx onnxruntime '$bindings'" ".venv/bin/hpe-edge doctor")

for step in "${steps[@]}"; do
    if [ "$act" = yes ]; then
        echo "running    $step"
        bash -c "$step" || fail "this step failed; mend it and run the script again, which continues there"
    else
        echo "would run  $step"
    fi
done
[ "$act" = yes ] || echo "nothing was changed; --yes runs these steps"
