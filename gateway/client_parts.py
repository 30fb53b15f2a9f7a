"""The parts of Config that are about clients: where they reach us, how much of us they get, and who may ask."""

from pydantic import Field

from gateway.address_values import Networks, RedisUrl
from gateway.config_parts import Part
from gateway.setting_values import (
    ByteCount,
    CertificatePath,
    Count,
    Flag,
    Host,
    Key,
    Keys,
    KeysPath,
    OriginPatterns,
    Origins,
    Port,
    PrivateKeyPath,
    Seconds,
    SecondsOrZero,
    Workers,
)


class ListenConfig(Part):
    """Where clients reach us, how much they may send, and how many are served at once.

    `trusted_proxies`: who may say in a header for whom it asks. `workers`: processes, 1 or more, `auto` resolved.
    """

    host: Host = Field(
        "127.0.0.1",
        validation_alias="PROXY_HOST",
        description="Address to listen on. 0.0.0.0 or :: opens it to other machines: set API_KEYS then.",
        examples=["0.0.0.0"],  # noqa: S104 - words of the documentation: nothing listens there unless its owner says so # nosec B104
    )
    port: Port = Field(
        11434,
        validation_alias="PROXY_PORT",
        description="Port to listen on. The default is Ollama's own.",
        examples=["8080"],
    )
    tls_cert_file: CertificatePath = Field(
        None,
        validation_alias="TLS_CERT_FILE",
        description="Certificate to serve HTTPS with, and TLS_KEY_FILE. Unset, both of them: HTTP.",
        examples=["/etc/ollama-openai-proxy/tls.crt"],
    )
    tls_key_file: PrivateKeyPath = Field(
        None,
        validation_alias="TLS_KEY_FILE",
        description="Private key of TLS_CERT_FILE. Unset, both of them: HTTP.",
        examples=["/etc/ollama-openai-proxy/tls.key"],
    )
    trusted_proxies: Networks = Field(
        (),
        validation_alias="TRUSTED_PROXIES",
        description="Reverse proxies that may say for which address they ask, separated by commas. Unset: none may.",
        examples=["10.0.0.7,10.1.0.0/16"],
    )
    workers: Workers = Field(
        1,
        validation_alias="WORKERS",
        description="Processes that serve. auto: as many as there are CPUs to use.",
        examples=["auto"],
    )
    request_max_size_bytes: ByteCount = Field(
        10_485_760,
        validation_alias="REQUEST_MAX_SIZE",
        description="Largest request body in bytes, after decompression.",
        examples=["52428800"],
    )
    max_concurrent: Count = Field(
        0,
        validation_alias="MAX_CONCURRENT_REQUESTS",
        description="Most requests to models that are worked on at one time. 0: as many as come.",
        examples=["64"],
    )
    max_queue: Count = Field(
        512,
        validation_alias="MAX_QUEUE",
        description="Most requests that wait while MAX_CONCURRENT_REQUESTS run; more are refused. 0: none waits.",
        examples=["0"],
    )
    body_timeout_s: Seconds = Field(60.0, validation_alias="REQUEST_TIMEOUT")
    idle_timeout_s: Seconds = Field(
        75.0,
        validation_alias="CLIENT_IDLE_TIMEOUT",
        description="How long a client may take for a request's headers, and keep a connection without a request.",
        examples=["620"],
    )
    write_timeout_s: Seconds = Field(
        60.0,
        validation_alias="WRITE_TIMEOUT",
        description="Longest wait for a client to take what was written to it.",
        examples=["15"],
    )
    shutdown_grace_s: SecondsOrZero = Field(
        30.0,
        validation_alias="SHUTDOWN_GRACE",
        description="How long running requests may go on when the gateway is told to stop.",
        examples=["120"],
    )

    @property
    def tls(self) -> bool:
        """Whether clients speak TLS to us."""
        return self.tls_cert_file is not None


class AccessConfig(Part):
    """Who may ask, and how much. Neither `cors_origins` nor `ollama_origins`: the local origins that Ollama allows.

    `rate_limit_rpm` and `rate_limit_tpm` are requests and tokens a minute for each client that no key tells apart; 0
    is no limit.
    """

    api_keys: Keys = Field(
        (),
        validation_alias="API_KEYS",
        description="Keys that clients must present, separated by commas. Unset: everybody may ask.",
        examples=["first-secret,second-secret"],
    )
    keys_file: KeysPath = Field(
        None,
        validation_alias="KEYS_FILE",
        description="File with more keys of clients, each with its name and limits, made by python -m gateway key.",
        examples=["/etc/ollama-openai-proxy/keys.json"],
    )
    admin_key: Key = Field(
        None,
        validation_alias="ADMIN_KEY",
        description="Key for POST /admin/reload, which reads the backends anew. Unset: there is no such route.",
        examples=["another-secret"],
    )
    rate_limit_rpm: Count = Field(
        0,
        validation_alias="RATE_LIMIT_RPM",
        description="Requests to models that a client may make in a minute. 0: as many as it likes.",
        examples=["60"],
    )
    rate_limit_tpm: Count = Field(
        0,
        validation_alias="RATE_LIMIT_TPM",
        description="Tokens, of prompts and of answers, that a client may use in a minute. 0: as many as it likes.",
        examples=["100000"],
    )
    redis_url: RedisUrl = Field(
        None,
        validation_alias="REDIS_URL",
        description="Redis server in which several gateways count together what clients use. Unset: each for itself.",
        examples=["redis://127.0.0.1:6379/1"],
    )
    cors_origins: Origins = Field(
        None,
        validation_alias="CORS_ORIGINS",
        description="Web origins that may ask, separated by commas; * for all. Unset: local ones, as Ollama does.",
        examples=["https://app.example,http://localhost:*"],
    )
    ollama_origins: OriginPatterns = Field(
        None,
        validation_alias="OLLAMA_ORIGINS",
        description="More web origins that may ask, as Ollama reads them: with them, local ones always may.",
        examples=["chrome-extension://*"],
    )
    metrics_public: Flag = Field(
        False,
        validation_alias="METRICS_PUBLIC",
        description="Show metrics without a key even when API_KEYS is set.",
        examples=["true"],
    )

    @property
    def wants_key(self) -> bool:
        """Whether clients must present a key of ours, so that theirs are never passed on."""
        return bool(self.api_keys) or self.keys_file is not None
