# SimZSS with its page, ONNX export and videos.
#   docker build --tag simzss .     # torch as the package registry has it: with CUDA on x86-64, and runs without a GPU too
FROM python:3.12-slim

WORKDIR /opt/simzss
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY simzss simzss
COPY configs configs
RUN pip install --no-cache-dir --constraint requirements.lock ".[app,export,supervision,video]"

# Whoever runs it need not be root: --user "$(id -u):$(id -g)"
ENV HOME=/tmp
WORKDIR /data
EXPOSE 7860
ENTRYPOINT ["simzss"]
