"""XML that strangers wrote -> its elements, by expat alone: no document type, no entities, nothing fetched."""

from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from ft.errors import DataError, printable

LARGEST = 1 << 24  # bytes


def read_xml(path: Path) -> Element:
    """Return the root of a file; DataError of one line where it is not plain XML."""
    where = printable(path)
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"{where}: {path.stat().st_size} bytes, more than the boxes of a picture take; replace it")
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{where}: cannot be read ({error.strerror}); mend its permissions") from None
    builder, parser = TreeBuilder(), expat.ParserCreate()

    def refuse(*_: object) -> NoReturn:
        raise DataError(f"{where}: it declares a document type or entities; save it as plain XML")

    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = parser.ExternalEntityRefHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(content, True)
        return builder.close()
    except (expat.ExpatError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{where}: not XML ({error}); export it again") from None
