"""The api role: HTTP."""

import threading

import structlog
import uvicorn

from api.application import create_app
from api.services import Services
from app import pipeline, status
from app.house import House, Part
from app.mailing_in import SECRET
from app.settings import admin_token
from domain.errors import ConfigError
from domain.prices import parse_prices
from domain.signatures import key_of

log_ = structlog.get_logger()


def build(house: House) -> Part:
    settings, log = house.settings, house.log()
    token, fresh = admin_token(settings)
    if fresh:
        log_.warning("admin token made; set PREVENANT_ADMIN_TOKEN where several run", file=str(settings.token_file))
    services = Services(
        database=house.database,
        clock=house.clock,
        signer=house.signer(),
        log=log,
        history=house.history(),
        admin_token=token,
        public_url=settings.public,
        hand_on=pipeline.hand_on,
        dispatcher=house.dispatcher(),
        status=lambda: status.gather(settings, house.database),
        twilio_auth_token=settings.twilio_auth_token or None,
        human_phone=settings.human_phone,
        push_key=_push_key(house),
        mail_hook_key=key_of(settings.mail_hook_secret, setting=SECRET) if settings.mail_hook_secret else None,
        partitions=settings.partitions,
        sms_prices=parse_prices(settings.sms_price),
        approved_per_minute=settings.approved_per_minute,
    )
    config = uvicorn.Config(
        create_app(services),
        host=settings.http_host,
        port=settings.http_port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        server_header=False,
    )
    server = uvicorn.Server(config)

    def run(stop: threading.Event) -> None:
        thread = threading.Thread(target=server.run, name="http", daemon=True)
        thread.start()
        while not stop.wait(0.2) and thread.is_alive():
            pass
        failed = not stop.is_set()
        server.should_exit = True
        thread.join(timeout=5)
        log.close()
        if failed:
            raise ConfigError(
                f"cannot listen on {settings.http_host}:{settings.http_port}; is PREVENANT_HTTP_PORT taken?"
            )

    return Part(run, lambda: {"ready": server.started})


def _push_key(house: House) -> str:
    identity = house.push_identity()
    if identity is None:
        return ""
    from notify.channels.web_push import public_key

    return public_key(identity.private_key)
