"""Writes the configuration of a Synapse homeserver for tests: on loopback alone, without federation, in one folder.

What a real homeserver needs of it is the part `modules` (docs/platforms/matrix.md).
"""

import json
import os

# What vedette understands. Left out, the module registers all it has, also what this Synapse may not know.
CALLBACKS = [
    "check_event_for_spam",
    "user_may_invite",
    "federated_user_may_invite",
    "user_may_join_room",
    "user_may_create_room",
    "check_login_for_spam",
]


def write(folder: str, name: str, port: int, secret: str, vedette_url: str, vedette_key: str) -> str:
    """Writes homeserver.yaml and what it needs into folder; returns its path. YAML is a superset of JSON, so this is JSON."""
    log = os.path.join(folder, "log.yaml")
    with open(log, "w", encoding="utf-8") as f:
        json.dump(
            {
                "version": 1,
                "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
                "handlers": {
                    "file": {
                        "class": "logging.FileHandler",
                        "formatter": "plain",
                        "filename": os.path.join(folder, "synapse.log"),
                    }
                },
                "root": {"level": "INFO", "handlers": ["file"]},
                # When nobody answers, the module logs the whole callback as an error, the text of the message included.
                "loggers": {"synapse_http_antispam": {"level": "CRITICAL"}},
                "disable_existing_loggers": False,
            },
            f,
        )
    fast = {"per_second": 10000, "burst_count": 10000}
    config = {
        "server_name": name,
        "pid_file": os.path.join(folder, "synapse.pid"),
        "listeners": [
            {
                "port": port,
                "type": "http",
                "tls": False,
                "bind_addresses": ["127.0.0.1"],
                "resources": [{"names": ["client"], "compress": False}],
            }
        ],
        "database": {"name": "sqlite3", "args": {"database": os.path.join(folder, "homeserver.db")}},
        "log_config": log,
        "media_store_path": os.path.join(folder, "media"),
        "signing_key_path": os.path.join(folder, "signing.key"),
        "registration_shared_secret": secret,
        "macaroon_secret_key": secret + "m",
        "form_secret": secret + "f",
        "enable_registration": False,
        "report_stats": False,
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        "federation_domain_whitelist": [],
        "url_preview_enabled": False,  # a preview fetches the link: it would use up a one-time link and warn who sent it
        "presence": {"enabled": False},
        "rc_message": fast,
        "rc_registration": fast,
        "rc_login": {"address": fast, "account": fast, "failed_attempts": fast},
        "rc_joins": {"local": fast, "remote": fast},
        "rc_invites": {"per_room": fast, "per_user": fast, "per_issuer": fast},
        "modules": [
            {
                "module": "synapse_http_antispam.HTTPAntispam",
                "config": {
                    "base_url": vedette_url,
                    "authorization": vedette_key,
                    "do_ping": True,
                    "enabled_callbacks": CALLBACKS,
                    # The declared fallback: without an answer a message passes.
                    "fail_open": {c: True for c in CALLBACKS},
                },
            }
        ],
    }
    path = os.path.join(folder, "homeserver.yaml")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(config, f, indent=1)
    return path
