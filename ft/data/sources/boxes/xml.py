"""XML that strangers wrote -> its elements, by expat alone: no document type, no entities, nothing fetched."""

from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from ft.data.sources.beside import read_beside
from ft.errors import DataError, printable


def read_xml(path: Path) -> Element:
    """Return the root of a file; DataError of one line where it is not plain XML."""
    where, content = printable(path), read_beside(path)
    builder, parser = TreeBuilder(), expat.ParserCreate()

    def refuse(*_: object) -> NoReturn:
        raise DataError(f"{where}: it declares a document type or entities; save it as plain XML")

    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = parser.ExternalEntityRefHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.data
    try:
        parser.Parse(content, True)
        return builder.close()
    except (expat.ExpatError, LookupError, ValueError) as error:  # LookupError: of the encoding that it names
        raise DataError(f"{where}: not XML ({error}); export it again") from None
