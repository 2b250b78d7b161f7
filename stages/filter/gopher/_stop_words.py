"""Words that nearly every text of some length in a language holds: at least two of them say that it is prose.

English is the list of Rae et al. 2021; the others are the commonest function words of each language, in both genders
or scripts where those differ. A language is absent if its commonest words are no words of their own (Korean
particles, Thai without spaces) or if nobody here could vouch for a list.
"""

from __future__ import annotations

_LISTS = {
    "ar": "في من على أن إلى التي الذي هذا هذه عن مع لا ما",
    "bg": "на и да в за се от с не по са",
    "ca": "de la i el que en a per amb un una no",
    "cs": "a v na se je že s z o do to za i",
    "da": "og i at det er en til på som for af med de",
    "de": "der die das und in zu den ist nicht von mit ein eine auf für",
    "el": "και το να του η της με για από που στο δεν",
    "en": "the be to of and that have with",
    "es": "de la que el en y los las un una por con no para",
    "fa": "و در به از که این را با است برای آن",
    "fi": "ja on ei että se oli hän mutta kun myös ovat joka",
    "fr": "de la le et les des en un une du que est pour dans qui",
    "he": "של את על לא כי הוא זה עם גם או אל היא",
    "hi": "के में है की और से का को पर यह भी ने",
    "hr": "je i u da na se za su s od ne kao",
    "hu": "a az és hogy nem is egy volt meg ez de csak",
    "it": "di e il la che in un una per non con del della è i",
    "ja": "の に は を た が で て と し も な",
    "ms": "yang dan di itu dengan untuk dalam tidak ini pada dari akan ke",
    "nl": "de het een van en in is dat op te voor met niet zijn",
    "no": "og i det er som på en til å av for at med ikke",
    "pl": "w i na się z do nie jest że o to za od jak",
    "pt": "de a o que e do da em um uma para com não os as",
    "ro": "și de la în a cu nu pe o un care că din să",
    "ru": "и в на не что с по как это из к за для от",
    "sv": "och i att det som en på är av för med till den inte",
    "tr": "ve bir bu da de için ile ne çok gibi olarak daha",
    "uk": "і в на не що з у та до за як це від для",
    "vi": "và của là có không được cho các một trong với những",
    "zh": "的 是 在 了 不 和 有 这 這 我 人 为 為 与 與 以",
}
STOP_WORDS = {language: tuple(words.split()) for language, words in _LISTS.items()}
