# SimZSS with its page, ONNX export and videos.
#   docker build --tag simzss .                                                                    # for a CPU
#   docker build --tag simzss --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu130 .     # for a CUDA GPU
FROM python:3.12-slim

ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu

WORKDIR /opt/simzss
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY simzss simzss
COPY configs configs
RUN pip install --no-cache-dir --constraint requirements.lock --extra-index-url "$TORCH_INDEX" \
    ".[app,export,supervision,video]"

# Whoever runs it need not be root: --user "$(id -u):$(id -g)"
ENV HOME=/tmp
WORKDIR /data
EXPOSE 7860
ENTRYPOINT ["simzss"]
