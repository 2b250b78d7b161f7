"""Dress a text in the page of its site: navigation, cookie banner, sidebar, comments, footer."""

import html
import zlib

from tests.samples.articles import Article, read_words

_FRAME_OF_KIND = {
    "news": "news",
    "encyclopedia": "wiki",
    "documentation": "docs",
    "recipe": "blog",
    "shop": "shop",
    "blog": "blog",
    "machine_translated": "plain",
}
_WORDS = read_words()


def page(article: Article, *, comments: bool, meta_charset: str = "utf-8") -> str:
    """The whole HTML document."""
    words = _WORDS.get(article.language, _WORDS["en"])
    frame = article.fields.get("frame") or _FRAME_OF_KIND.get(article.kind, "blog")
    if article.body.startswith("@"):
        frame = "forum"
    inner = {
        "news": _news,
        "wiki": _wiki,
        "docs": _docs,
        "shop": _shop,
        "forum": _forum,
        "plain": _plain,
        "login": _login,
    }.get(frame, _blog)(article, words)
    if comments and frame in {"news", "blog"}:
        inner += _comments(words)
    return (
        f'<!DOCTYPE html>\n<html lang="{article.language}">\n<head>\n<meta charset="{meta_charset}">\n'
        f"<title>{html.escape(article.title)} | {article.host}</title>\n"
        f'<link rel="stylesheet" href="/static/{frame}.css">\n'
        f"<script>window.page = {{kind: '{frame}', id: {zlib.crc32(article.slug.encode())}}};</script>\n</head>\n"
        f'<body class="{frame}">\n{inner}\n{_footer(article, words, frame)}</body>\n</html>\n'
    )


def body_html(article: Article) -> str:
    """The text alone: headings, paragraphs, lists and code."""
    return "\n".join(_block(block) for block in article.blocks)


def lacks(article: Article) -> str:
    """Boilerplate of the frame that must not stand in the extracted text."""
    return _text(_WORDS.get(article.language, _WORDS["en"])["cookie"])


def _text(value: object) -> str:
    assert isinstance(value, str)
    return value


def _list(value: object) -> list[str]:
    assert isinstance(value, list)
    return value


def _block(block: str) -> str:
    if block.startswith("```"):
        lines = [line for line in block.split("\n") if not line.startswith("```")]
        text = "\n".join(lines).strip("\n")
        return f"<pre><code>{html.escape(text)}</code></pre>" if text else ""
    if block.startswith("- "):
        return "<ul><li>" + html.escape(block[2:].strip()) + "</li></ul>"
    if block.startswith("## "):
        head, _, rest = block.partition("\n")
        return f"<h2>{html.escape(head[3:])}</h2>" + (f"\n<p>{html.escape(rest)}</p>" if rest.strip() else "")
    return f"<p>{html.escape(block.strip())}</p>"


def _joined(article: Article) -> str:
    return body_html(article).replace("</ul>\n<ul>", "\n")


def _nav(words: dict[str, object], tag: str = "nav") -> str:
    links = "".join(f'<li><a href="/{n}">{word}</a></li>' for n, word in enumerate(_list(words["nav"])))
    return f'<{tag} class="menu"><ul>{links}</ul></{tag}>'


def _related(words: dict[str, object]) -> str:
    links = "".join(f'<li><a href="/more/{n}">{title}</a></li>' for n, title in enumerate(_list(words["links"])))
    return f'<aside class="related sidebar"><h3>{words["related"]}</h3><ul>{links}</ul></aside>'


def _comments(words: dict[str, object]) -> str:
    replies = "".join(f'<div class="comment"><p>{reply}</p></div>' for reply in _list(words["replies"]))
    return f'<section id="comments" class="comments"><h3>{words["comments"]}</h3>{replies}</section>'


def _footer(article: Article, words: dict[str, object], frame: str) -> str:
    cookie = f'<div id="cookie-banner" class="cookie-notice"><p>{words["cookie"]}</p><button>{words["accept"]}</button></div>'
    if frame == "plain":
        return f'<div class="footer">{article.host}</div>\n'
    return f'{cookie}\n<footer class="site-footer"><p>© 2026 {article.host}. {words["footer"]}</p></footer>\n'


def _byline(article: Article) -> str:
    if not article.author:
        return ""
    return f'<p class="byline"><span class="author">{article.author}</span> <time>{article.date}</time></p>'


def _news(article: Article, words: dict[str, object]) -> str:
    return (
        f'<header class="site-header"><a class="logo" href="/">{article.host}</a>{_nav(words)}'
        f'<form role="search"><input placeholder="{words["search"]}"></form></header>\n'
        f'<main><article class="article"><h1>{html.escape(article.title)}</h1>{_byline(article)}\n'
        f'<div class="article-body">\n{_joined(article)}\n</div></article>\n{_related(words)}</main>\n'
    )


def _blog(article: Article, words: dict[str, object]) -> str:
    return (
        f'<div id="top">{_nav(words)}</div>\n<div id="page"><div class="post"><h1 class="entry-title">'
        f'{html.escape(article.title)}</h1>{_byline(article)}<div class="entry-content">\n{_joined(article)}\n</div></div>\n'
        f"{_related(words)}</div>\n"
    )


def _wiki(article: Article, words: dict[str, object]) -> str:
    contents = "".join(
        f"<li>{html.escape(b[3:].split(chr(10))[0])}</li>" for b in article.blocks if b.startswith("## ")
    )
    return (
        f'<div id="sidebar" class="sidebar">{_nav(words, "div")}</div>\n<div id="content" class="mw-body"><h1 id="firstHeading">'
        f'{html.escape(article.title)}</h1>\n<div id="toc" class="toc"><ol>{contents}</ol></div>\n'
        f'<div class="mw-parser-output">\n{_joined(article)}\n</div></div>\n'
    )


def _docs(article: Article, words: dict[str, object]) -> str:
    return (
        f'<div class="sidebar" role="navigation">{_nav(words)}{_related(words)}</div>\n'
        f'<main role="main" class="document"><h1>{html.escape(article.title)}</h1>\n{_joined(article)}\n</main>\n'
    )


def _shop(article: Article, words: dict[str, object]) -> str:
    price = zlib.crc32(article.slug.encode()) % 180 + 15
    return (
        f'<header>{_nav(words)}<div class="cart">0</div></header>\n<main class="product"><h1>{html.escape(article.title)}</h1>'
        f'<div class="buy"><span class="price">{price},00 €</span><button>{words["cart"]}</button></div>\n'
        f'<div class="product-description">\n{_joined(article)}\n</div></main>\n{_related(words)}\n'
    )


def _forum(article: Article, words: dict[str, object]) -> str:
    posts = []
    for number, block in enumerate(article.blocks):
        name, _, text = block.lstrip("@").partition(":")
        posts.append(
            f'<div class="post" id="p{number}"><div class="user">{html.escape(name)}</div>'
            f'<div class="post-text"><p>{html.escape(text.strip())}</p></div>'
            f'<div class="buttons"><a href="#reply{number}">{words["reply"]}</a></div></div>'
        )
    joined = "\n".join(posts)
    return (
        f'<div class="topbar">{_nav(words)}</div>\n<div id="thread" class="content"><h1>{html.escape(article.title)}</h1>\n'
        f"{joined}\n</div>\n{_related(words)}\n"
    )


def _plain(article: Article, words: dict[str, object]) -> str:
    menu = " | ".join(f'<a href="/{n}">{word}</a>' for n, word in enumerate(_list(words["nav"])))
    return (
        f'<table width="900"><tr><td colspan="2">{menu}</td></tr>\n<tr><td valign="top">\n'
        f"<h1>{html.escape(article.title)}</h1>\n{_joined(article)}\n</td></tr></table>\n"
    )


def _login(article: Article, words: dict[str, object]) -> str:
    return (
        f'<header>{_nav(words)}</header><main><div class="login"><h1>{html.escape(article.title)}</h1>'
        f'<p>{html.escape(article.body)}</p><form method="post"><input name="user"><input type="password" name="word">'
        f"<button>{words['accept']}</button></form></div></main>"
    )
