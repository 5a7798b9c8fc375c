"""The hub's client, its errors told in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from lexigraft.errors import HubError, LexigraftError

__all__ = ["explained", "require_name"]

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


def require_name(name: str) -> None:
    """Raises LexigraftError unless `name` is OWNER/NAME."""
    if not _NAME.fullmatch(name) or ".." in name or "--" in name:
        raise LexigraftError(
            f"{name!r} is no repository of a hub. Give OWNER/NAME: letters, digits, and . _ - "
            "between them."
        )


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turns what the hub's client raises about the repository `name` into a HubError."""
    from huggingface_hub import errors

    try:
        yield
    except LexigraftError:
        raise
    except errors.OfflineModeIsEnabled as error:
        raise HubError(
            "HF_HUB_OFFLINE is set, so the hub is not asked. Unset it and run the command again."
        ) from error
    except errors.GatedRepoError as error:
        raise HubError(
            f"{name} is gated: accept its terms on its page of the hub, then log in with "
            "`hf auth login` and try again."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise HubError(
            f"The hub shows no {name}: it is misspelt, or private and not yours "
            "(log in with `hf auth login`)."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise HubError(
            f"{name} has no such revision. Leave --revision out for the newest."
        ) from error
    except errors.HfHubHTTPError as error:
        raise HubError(_refused(name, error)) from error
    except Exception as error:
        # The client raises what its network library raises, or an error of its own over it.
        for cause in (error, error.__cause__):
            if cause is not None and _is_network(cause):
                raise HubError(
                    f"The hub cannot be reached ({_first_line(cause)}). Check the network and run "
                    "the command again."
                ) from error
        raise


def _refused(name: str, error: Exception) -> str:
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    if status in (401, 403):
        return (
            f"The hub does not let you at {name} ({status}): the token is wrong or may not do "
            "this. Log in with `hf auth login` and a token that may write."
        )
    if status == 409:
        return f"{name} was made by somebody else in this moment. Name another repository."
    return f"The hub refused {name}: {_first_line(error)}"


def _is_network(error: BaseException) -> bool:
    from huggingface_hub import errors

    known = (
        ConnectionError,
        TimeoutError,
        errors.LocalEntryNotFoundError,
        errors.FileMetadataError,
    )
    return isinstance(error, known) or type(error).__module__.startswith(("httpx", "httpcore"))


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
