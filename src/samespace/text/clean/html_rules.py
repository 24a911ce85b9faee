"""Which elements of a page are not its content: the rules, apart from the walk."""

# ruff: noqa: SIM905 - long lists of names read best as running text
from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum

Attributes = Mapping[str, str | None]


class Strictness(IntEnum):
    """How much is taken away: a page that loses too much is read again with less."""

    VISIBLE = 0
    SEMANTIC = 1
    FULL = 2


NEVER_SHOWN = frozenset(
    "script style noscript template title meta link base iframe object embed applet canvas "
    "svg audio video map param source track noembed noframes frame frameset rp datalist "
    "annotation annotation-xml".split()
)
_SEMANTIC_TAGS = {
    "nav": "navigation",
    "aside": "aside",
    "button": "form",
    "input": "form",
    "select": "form",
    "textarea": "form",
    "dialog": "dialog",
    "menu": "navigation",
    "search": "form",
}
_SEMANTIC_ROLES = {
    "navigation": "navigation",
    "banner": "page-header",
    "contentinfo": "page-footer",
    "search": "form",
    "dialog": "dialog",
    "alertdialog": "dialog",
    "menu": "navigation",
    "menubar": "navigation",
    "toolbar": "navigation",
    "complementary": "aside",
}
_NAMES = {
    "navigation": "nav navbar nav-bar navigation main-nav main-menu site-nav topnav top-nav "
    "bottom-nav menu menubar megamenu dropdown-menu pagination pager prev-next next-prev "
    "prevnext related-pages rst-footer-buttons sphinxsidebar bd-sidebar wy-nav-side "
    "mw-navigation vector-menu mw-editsection mw-jump-link navbox catlinks printfooter noprint",
    "breadcrumb": "breadcrumb breadcrumbs breadcrumb-nav bread-crumb bread-crumbs crumbs "
    "wy-breadcrumbs",
    "sidebar": "sidebar side-bar left-sidebar right-sidebar sidebar-left sidebar-right "
    "sidebar-primary sidebar-secondary primary-sidebar secondary-sidebar widget-area sidenav",
    "table-of-contents": "toc table-of-contents tableofcontents page-toc toc-tree "
    "md-sidebar toc-container localtoc",
    "share": "share share-bar sharebar share-buttons share-links sharing social social-share "
    "social-links social-icons social-media sharedaddy addtoany_share_save_container "
    "addthis_toolbox",
    "related": "related related-articles related-posts related-products related-stories "
    "related-content related-links recommended-articles recommendations you-may-also-like "
    "newsletter-signup newsletter-form newsletter-subscribe",
    "skip-link": "skip-link skip-links skiplink skip-to-content skip-nav skip-navigation "
    "skip-to-main-content screen-reader-shortcut",
    "cookie-notice": "cookies cookie gdpr cookiebar cookieconsent cc-window cc-banner "
    "onetrust-consent-sdk onetrust-banner-sdk CybotCookiebotDialog truste_overlay "
    "usercentrics-root didomi-host",
    "advertisement": "ad ads advert advertisement adsbygoogle ad-container ad-banner sponsored",
    "page-header": "site-header page-header-bar masthead topbar top-bar site-banner",
    "page-footer": "site-footer page-footer footer-links colophon",
    "permalink": "headerlink heading-anchor anchorjs-link header-anchor anchor-link "
    "hash-link permalink-icon viewcode-link",
    "code-gutter": "linenos linenodiv lineno line-numbers-rows blob-num copybtn copy-button",
}
_BY_NAME = {name.lower(): kind for kind, names in _NAMES.items() for name in names.split()}
_COOKIE_HINT = re.compile("cookie|gdpr|consent")
_COOKIE = re.compile(
    r"(?:^|[-_])(?:cookies?|gdpr|consent)(?:[-_](?:\w+[-_])?"
    r"(?:banner|notice|bar|popup|modal|dialog|overlay|message|law|consent|policy-banner|wrapper|"
    r"manager|box|alert|container))$"
)
_HIDDEN_STYLE = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.IGNORECASE)
_NOTE = re.compile(
    r"(?:^|[\s_-])(?:note|tip|info|warning|caution|danger|important|admonition|callout|example|"
    r"footnotes?|doc-footnote|topic|pullquote|alert)(?:$|[\s_-])"
)
_BOXES = frozenset(
    "div section ul ol dl table td header footer aside form details center p".split()
)
# Other kinds are only believed of boxes: `<b class="menu">` is a word of the text.
_KINDS_OF_ANY_TAG = frozenset(("permalink", "skip-link", "code-gutter"))


def hidden(attributes: Attributes) -> bool:
    """Tell whether an element is not shown to readers."""
    if "hidden" in attributes and attributes["hidden"] != "until-found":
        return True
    if attributes.get("aria-hidden") == "true":
        return True
    style = attributes.get("style")
    return bool(style) and _HIDDEN_STYLE.search(style or "") is not None


def noise(
    tag: str, attributes: Attributes, strictness: Strictness, *, in_article: bool
) -> str | None:
    """Return the kind under which an element is dropped, or None where it is content.

    `in_article` says that a main or article element is open, whose header, footer and notes
    are its own.
    """
    if attributes and hidden(attributes):
        return "hidden"
    if strictness is Strictness.VISIBLE:
        return None
    if not attributes and tag not in _SEMANTIC_TAGS and tag not in ("header", "footer"):
        return None
    kind = _SEMANTIC_TAGS.get(tag)
    role = (attributes.get("role") or "").lower()
    names = f"{attributes.get('id') or ''} {attributes.get('class') or ''}"
    if tag == "aside" and _NOTE.search(f"{names} {role}".lower()):
        return None
    if kind is not None:
        return kind
    if role in _SEMANTIC_ROLES:
        return _SEMANTIC_ROLES[role]
    if tag in ("header", "footer") and not in_article:
        return f"page-{tag}"
    if strictness is Strictness.FULL and not names.isspace():
        if not in_article and "footer" in names.lower().split():
            return "page-footer"
        return _by_name(tag, names)
    return None


def _by_name(tag: str, names: str) -> str | None:
    for name in names.lower().split():
        kind = _BY_NAME.get(name)
        if kind is None and _COOKIE_HINT.search(name) and _COOKIE.search(name):
            kind = "cookie-notice"
        if kind is not None and (tag in _BOXES or kind in _KINDS_OF_ANY_TAG):
            return kind
    return None
