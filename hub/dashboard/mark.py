"""The hub's mark, drawn."""

MARK = (
    '<svg class="mark" viewBox="0 0 34 34" aria-hidden="true"><rect width="34" height="34" rx="9" fill="#0b6e7a"/>'
    '<circle cx="17" cy="17" r="8.5" fill="none" stroke="#fff" stroke-width="2.4"/>'
    '<circle cx="19.5" cy="15" r="2.6" fill="#fff"/></svg>'
)
FAVICON = MARK.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ')
