# The README's two commands in a container: `docker build -t judgegen .` runs the quickstart, `docker run judgegen` the tests.
FROM python:3.12-slim
RUN apt-get update && apt-get install -y --no-install-recommends build-essential git make && rm -rf /var/lib/apt/lists/*
WORKDIR /judgegen
COPY . .
RUN make quickstart
CMD ["make", "test"]
