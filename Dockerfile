# One image, one static program and nothing else: no shell, no libc, nothing to keep up to date.
#
#     docker build -t raftkv .
#
# No syntax of BuildKit's, so that every builder of the last years takes it.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# With a target named, the flag is for what runs in the end, and not for the compiler's own plugins.
# The allocator learns the size of pages when it is built; on arm64 kernels differ in it, and the
# largest one serves for all.
RUN target="$(rustc -vV | sed -n 's/^host: //p')" \
    && case "$target" in aarch64-*) export JEMALLOC_SYS_WITH_LG_PAGE=16 ;; esac \
    && RUSTFLAGS="-C target-feature=+crt-static" \
       cargo build --release --locked --package raftkv --target "$target" \
    && mkdir -p /image/usr/bin /image/var/lib/raftkv \
    && cp "target/$target/release/raftkv" /image/usr/bin/raftkv \
    && strip /image/usr/bin/raftkv \
    && rm -rf target

FROM scratch
COPY --from=build /image/usr /usr
# Nobody's in particular, and the owner of new volumes.
COPY --from=build --chown=65532:65532 /image/var /var
USER 65532:65532
ENV PATH=/usr/bin \
    RAFTKV_LISTEN=0.0.0.0 \
    RAFTKV_DATA_DIR=/var/lib/raftkv/data
WORKDIR /var/lib/raftkv
VOLUME /var/lib/raftkv
EXPOSE 8001
# Itself alone, whatever becomes of the others; it needs a leader, so it takes a majority.
HEALTHCHECK --interval=2s --timeout=3s --start-period=30s --retries=5 \
    CMD ["raftkv", "health", "--endpoints", "http://localhost:8001", "--timeout", "2s"]
ENTRYPOINT ["raftkv"]
CMD ["start"]
