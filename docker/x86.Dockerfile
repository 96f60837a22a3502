# hpe_edge with TensorRT and ONNX Runtime on an NVIDIA GPU, for drivers with CUDA 13. In a clone of hpe_edge:
#   docker build -f docker/x86.Dockerfile -t head-pose .
#   docker run --rm -it --gpus all -v "$PWD:/work" head-pose doctor
# For drivers with CUDA 12:
#   --build-arg BASE=nvcr.io/nvidia/cuda:12.8.1-devel-ubuntu24.04 --build-arg EXTRA=tensorrt-cu12
#   --build-arg ONNX_RUNTIME='onnxruntime-gpu[cuda,cudnn]>=1.24,<1.27'
ARG BASE=nvcr.io/nvidia/cuda:13.0.2-devel-ubuntu24.04
FROM ${BASE}

ARG DEBIAN_FRONTEND=noninteractive
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/*

ENV PATH=/venv/bin:$PATH PIP_NO_CACHE_DIR=1
ARG EXTRA=tensorrt
ARG ONNX_RUNTIME='onnxruntime-gpu[cuda,cudnn]>=1.27'
COPY . /src
RUN python3 -m venv /venv \
    && pip install "/src[$EXTRA,video]" onnx "$ONNX_RUNTIME"

WORKDIR /work
ENTRYPOINT ["hpe-edge"]
