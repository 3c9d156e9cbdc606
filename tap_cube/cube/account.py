"""An account: its campaigns, its CRMs and the definitions of their own fields, requested once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tap_cube.cube.decoding import parse_list
from tap_cube.cube.pages import MAX_EMPTY_PAGES
from tap_cube.cube.resources import CAMPAIGNS, CUSTOM_FIELDS, Crm, Subject
from tap_cube.errors import CubeError, ReadError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from concurrent.futures import Future

    from tap_cube.cube.client import CubeClient
    from tap_cube.cube.pages import Page

    Record = dict[str, Any]


class Account:
    """What all streams need to know of an account.

    Args:
        client: Sends the requests.
        crms: The CRMs to read; `None` means every CRM that a campaign names.
        include_inactive: Whether inactive campaigns count.
    """

    def __init__(
        self, client: CubeClient, crms: Iterable[Crm] | None, *, include_inactive: bool
    ) -> None:
        self._client = client
        self._crms = None if crms is None else list(dict.fromkeys(crms))
        self._query = {"include_inactive_campaigns": "True"} if include_inactive else None
        self._lists: dict[Crm | None, Future[list[Page]]] = {}

    def start_campaigns(self) -> Future[list[Page]]:
        """Request all campaigns, unless that was done before."""
        return self._start(None, Subject(CAMPAIGNS), CAMPAIGNS.links(query=self._query))

    def start_definitions(self, crm: Crm) -> Future[list[Page]]:
        """Request the definitions of a CRM's own fields, unless that was done before."""
        return self._start(crm, Subject(CUSTOM_FIELDS, crm), CUSTOM_FIELDS.links(crm))

    def definitions(self, crm: Crm) -> list[Record] | None:
        """Return the records of a CRM's definitions; `None` if the CRM offers none.

        Raises:
            CubeError: If they cannot be read.
        """
        try:
            pages = self.start_definitions(crm).result()
        except UnavailableError:
            return None
        return [record for page in pages for record in page.records]

    def crms(self) -> list[Crm]:
        """Return the CRMs to read; without the setting, all that a campaign names, in order.

        Raises:
            CubeError: If there is none, or the campaigns cannot be read.
        """
        if self._crms is None:
            try:
                pages = self.start_campaigns().result()
            except UnavailableError as error:
                msg = (
                    f"the campaigns, which name the CRMs, cannot be read: {error}, or list the "
                    "CRMs in the setting `crms`"
                )
                raise CubeError(msg) from None
            self._crms = sorted(_named_in(page.records for page in pages))
        if not self._crms:
            msg = "no CRM is known: list the CRMs to read in the setting `crms`"
            raise CubeError(msg)
        return self._crms

    def _start(self, key: Crm | None, subject: Subject, links: Sequence[str]) -> Future[list[Page]]:
        if key not in self._lists:
            self._lists[key] = self._client.submit(lambda: self._read(subject, links))
        return self._lists[key]

    def _read(self, subject: Subject, links: Sequence[str]) -> list[Page]:
        pages = [self._client.get_page(subject, links, parse_list)]
        seen, empty = {pages[0].link}, 0
        while link := pages[-1].next:
            if link in seen:
                msg = "a `next` link leads back to a page that was already read: report it to Cube"
                raise ReadError(msg)
            empty = 0 if pages[-1].records else empty + 1
            if empty > MAX_EMPTY_PAGES:
                msg = f"more than {MAX_EMPTY_PAGES} consecutive pages are empty: report it to Cube"
                raise ReadError(msg)
            seen.add(link)
            pages.append(self._client.get_page(subject, [link], parse_list))
        return pages


def _named_in(lists: Iterable[Sequence[Record]]) -> set[Crm]:
    return {
        Crm(owner, crm_type)
        for campaigns in lists
        for campaign in campaigns
        if isinstance(owner := campaign.get("data_owner__id"), int)
        and isinstance(crm_type := campaign.get("campaign__crm_type"), str)
        and crm_type
    }
