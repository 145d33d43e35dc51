"""A short sentence in the language of a voice, to hear what it is like."""

from __future__ import annotations

from typing import Final

from visema.web.voice_choice import base_language

_SENTENCES: Final = {
    "ar": "مرحبا، هذا هو صوتي.",
    "bg": "Здравейте, това е моят глас.",
    "ca": "Hola, aquesta és la meva veu.",
    "cs": "Dobrý den, takhle zní můj hlas.",
    "da": "Hej, sådan lyder min stemme.",
    "de": "Guten Tag, so klingt meine Stimme.",
    "el": "Γεια σας, αυτή είναι η φωνή μου.",
    "en": "Hello, this is what my voice sounds like.",
    "es": "Hola, así suena mi voz.",
    "et": "Tere, selline on minu hääl.",
    "fi": "Hei, tältä ääneni kuulostaa.",
    "fr": "Bonjour, voici comment sonne ma voix.",
    "he": "שלום, כך נשמע הקול שלי.",
    "hi": "नमस्ते, यह मेरी आवाज़ है।",
    "hr": "Dobar dan, ovako zvuči moj glas.",
    "hu": "Jó napot, így szól a hangom.",
    "id": "Halo, beginilah suara saya.",
    "it": "Buongiorno, questa è la mia voce.",
    "ja": "こんにちは、これが私の声です。",
    "ko": "안녕하세요, 이것이 제 목소리입니다.",
    "nl": "Goedendag, zo klinkt mijn stem.",
    "no": "Hei, slik høres stemmen min ut.",
    "nb": "Hei, slik høres stemmen min ut.",
    "pl": "Dzień dobry, tak brzmi mój głos.",
    "pt": "Olá, esta é a minha voz.",
    "ro": "Bună ziua, aceasta este vocea mea.",
    "ru": "Здравствуйте, так звучит мой голос.",
    "sk": "Dobrý deň, takto znie môj hlas.",
    "sr": "Добар дан, овако звучи мој глас.",
    "sv": "Hej, så här låter min röst.",
    "tr": "Merhaba, sesim böyle.",
    "uk": "Добрий день, так звучить мій голос.",
    "vi": "Xin chào, đây là giọng nói của tôi.",
    "zh": "你好，这是我的声音。",
    "cmn": "你好，这是我的声音。",
}
#: Where we have no sentence: numbers, which voices read in their own language.
_COUNTING: Final = "1, 2, 3, 4, 5."


def greeting(language: str) -> str:
    """What a voice of ``language`` (BCP 47; ``mul`` for all) says of itself."""
    base = base_language(language)
    return _SENTENCES["en"] if base == "mul" else _SENTENCES.get(base, _COUNTING)
