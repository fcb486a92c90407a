# syntax=docker/dockerfile:1
# Convoke: the operator, the jobs and the command line, in one image without a shell. The same files and labels give the same digest with
#   docker buildx build --build-arg SOURCE_DATE_EPOCH=0 --output type=image,name=convoke,rewrite-timestamp=true .
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /source
COPY package.json package-lock.json .npmrc ./
COPY bin/link-bin.js bin/
RUN npm ci
COPY . .
RUN node image/build.ts /image

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Convoke"
LABEL org.opencontainers.image.description="Customer audiences as code on Kubernetes"
LABEL org.opencontainers.image.licenses="Apache-2.0"
LABEL org.opencontainers.image.version="$VERSION"
LABEL org.opencontainers.image.revision="$REVISION"
COPY --from=build /image/system/ /
COPY --from=build /image/convoke/ /
# Its modules are one bundle already; a cache of compiled code would have to be written somewhere.
ENV NODE_DISABLE_COMPILE_CACHE="1"
ENV PATH="/usr/bin"
WORKDIR /tmp
USER 65532:65532
ENTRYPOINT ["/usr/bin/convoke"]
