"""From a provider to the addresses it stands for, in the order in which they are tried.

Knows how each kind of provider spells an address and how PyPI's simple API is
read. Knows nothing of the cache; what an address answers is the downloader's
business.
"""

from __future__ import annotations

import html.parser
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, urldefrag, urljoin

import httpx

from rocm_patch.sources.model import (
    DebianPoolProvider,
    DebianSnapshotProvider,
    GitProvider,
    Provider,
    PypiProvider,
    SourceItem,
    UrlProvider,
    Variant,
)
from rocm_patch.sources.settings import Settings

SIMPLE_JSON = "application/vnd.pypi.simple.v1+json"


class ProviderError(Exception):
    """An address did not give the bytes; the text says what it answered. Never reaches a user as it is."""


@dataclass(frozen=True)
class Candidate:
    """One address to try. A PyPI project page is first looked up for the file (`lookup` is True)."""

    url: str
    lookup: bool = False
    git: GitProvider | None = None


def candidates(item: SourceItem, variant: Variant, settings: Settings) -> Iterator[Candidate]:
    """Give every address of a variant, the user's mirrors first or last as configured."""
    # A mirror holds files, whose bytes only a sha256 can prove.
    mirrors = [Candidate(mirror_url(t, item, variant)) for t in settings.mirrors] if variant.sha256 else []
    if settings.mirror_order == "first":
        yield from mirrors
    for provider in variant.providers:
        yield from _addresses(provider, settings)
    if settings.mirror_order == "last":
        yield from mirrors


def _addresses(provider: Provider, settings: Settings) -> Iterator[Candidate]:
    """Spell the address (or addresses) of one provider."""
    match provider:
        case UrlProvider():
            yield Candidate(provider.url)
        case GitProvider():
            yield Candidate(provider.url, git=provider)
        case DebianPoolProvider():
            yield Candidate(f"{settings.debian.rstrip('/')}/{quote(provider.path, safe='/+~:=')}")
        case DebianSnapshotProvider():
            root = settings.snapshot.rstrip("/")
            if provider.path is not None:
                path = quote(provider.path, safe="/+~:=")
                yield Candidate(f"{root}/archive/{provider.archive}/{provider.timestamp}/{path}")
            if provider.sha1 is not None:
                yield Candidate(f"{root}/file/{provider.sha1}")
        case PypiProvider():
            if provider.path is not None:
                yield Candidate(f"{settings.pypi_files.rstrip('/')}/{quote(provider.path, safe='/+~')}")
            yield Candidate(f"{settings.pypi.rstrip('/')}/{provider.project}/", lookup=True)


def mirror_url(template: str, item: SourceItem, variant: Variant) -> str:
    """Fill a mirror template. Fields are single path components, so none can leave its place."""
    values = {
        "owner": item.mirror_owner,
        "name": item.name,
        "file": variant.file,
        "sha256": variant.sha256 or "",
    }
    url = template
    for field, value in values.items():
        url = url.replace(f"{{{field}}}", quote(value, safe="+~="))
    return url


class _Links(html.parser.HTMLParser):
    """Collects the links of a PEP 503 page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the target of each anchor."""
        if tag == "a":
            self.links += [value for key, value in attrs if key == "href" and value]


def pypi_lookup(client: httpx.Client, page: str, file: str, sha256: str) -> str:
    """Find a file's address on a project page (PEP 691 JSON or PEP 503 HTML).

    Raises ProviderError where the page does not list this file with this hash.
    """
    try:
        response = client.get(page, headers={"Accept": f"{SIMPLE_JSON}, text/html;q=0.5"})
    except httpx.HTTPError as error:
        raise ProviderError(f"{type(error).__name__}: {error}") from error
    if response.status_code != httpx.codes.OK:
        raise ProviderError(f"HTTP {response.status_code}")
    base = str(response.url)
    if response.headers.get("content-type", "").startswith(SIMPLE_JSON):
        try:
            files = response.json()["files"]
            links = [(f["filename"], f["hashes"].get("sha256", ""), urljoin(base, f["url"])) for f in files]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ProviderError("the project page is not PEP 691 JSON") from error
    else:
        parser = _Links()
        parser.feed(response.text)
        links = []
        for link in parser.links:
            url, fragment = urldefrag(urljoin(base, link))
            links.append((url.rpartition("/")[2], fragment.removeprefix("sha256="), url))
    for name, digest, url in links:
        if name == file and digest in {"", sha256}:
            return str(url)
    raise ProviderError(f"the project page lists no {file} with the pinned sha256")
