# hpe_edge with TensorRT engines on a Jetson with JetPack 6. On the Jetson, in a clone of hpe_edge:
#   docker build -f docker/jetson.Dockerfile -t head-pose .
#   docker run --rm -it --runtime nvidia -v "$PWD:/work" head-pose doctor
# JetPack 6.1 and 6.2; for 6.0: --build-arg BASE=nvcr.io/nvidia/l4t-jetpack:r36.3.0
ARG BASE=nvcr.io/nvidia/l4t-jetpack:r36.4.0
FROM ${BASE}

ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ nvidia-opencv python3-dev python3-libnvinfer python3-venv \
    && rm -rf /var/lib/apt/lists/*

ENV PATH=/venv/bin:/usr/local/cuda/bin:$PATH PIP_NO_CACHE_DIR=1
COPY . /src
# The image's TensorRT and OpenCV are seen through --system-site-packages. Without the extra `video`: pip's OpenCV would
# hide the image's and has no GStreamer. The image's is built for NumPy 1.
RUN python3 -m venv --system-site-packages /venv \
    && pip install /src 'numpy>=1.23,<2' onnx onnxruntime 'cuda-bindings>=12.9.10,<13'

WORKDIR /work
ENTRYPOINT ["hpe-edge"]
