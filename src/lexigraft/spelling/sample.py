"""Short original texts on which old and new tokenizers must agree.

Prose in twelve scripts, code, numbers, markup, odd white space and signs: what a careless change
of a tokenizer breaks first. Written for this project.
"""

from __future__ import annotations

__all__ = ["PROSE", "SAMPLE"]

PROSE: dict[str, str] = {
    "English": (
        "The ferry leaves at seven, unless the fog is thick; then it doesn't leave at all. "
        "\"We'll wait,\" said the captain, who'd waited before. Nobody re-read the timetable."
    ),
    "Russian": (
        "Паром отходит в семь, если нет тумана; а если туман густой — не отходит вовсе. "
        "«Подождём», — сказал капитан, который ждал и раньше. Ёлки стояли мокрые."
    ),
    "German": "Über die Brücke fährt kein Zug mehr; das Gleis größtenteils überwachsen, na ja.",
    "Vietnamese": "Chuyến phà rời bến lúc bảy giờ, trừ khi sương mù dày đặc; khi đó phải chờ.",
    "Greek": "Το πλοίο φεύγει στις επτά, εκτός αν έχει ομίχλη· τότε περιμένουμε όλοι.",
    "Georgian": "გემი შვიდ საათზე გადის, თუ ნისლი არ არის; მაშინ ყველანი ველოდებით.",
    "Armenian": "Նավը մեկնում է ժամը յոթին, եթե մառախուղ չկա։ Այդ դեպքում սպասում ենք։",
    "Hebrew": "המעבורת יוצאת בשבע, אלא אם כן יש ערפל; אז כולם מחכים על הרציף.",
    "Arabic": "تغادر العبّارة في السابعة، إلا إذا كان الضباب كثيفًا؛ عندها ننتظر جميعًا.",
    "Hindi": "नाव सात बजे चलती है, पर कोहरा घना हो तो नहीं चलती; तब हम सब रुकते हैं।",
    "Thai": "เรือออกตอนเจ็ดโมง เว้นแต่หมอกลงจัด ตอนนั้นเราทุกคนก็ต้องรอ",
    "Chinese": "渡船七点开,如果有大雾就不开。船长说:“等一等吧。”于是大家都坐在码头上。",
    "Japanese": "船は七時に出ますが、霧が濃いと出ません。そのときはみんなで待ちます。",
    "Korean": "배는 일곱 시에 떠나지만 안개가 짙으면 떠나지 않는다. 그때는 모두 기다린다.",
}

_CODE = (
    "def ferry(hour: int, fog: float = 0.5) -> bool:\n"
    "    # leaves only in clear weather\n"
    "    if fog > 0.8 or hour != 7:\n"
    "        return False\n"
    "\treturn True  # a tab, then two spaces\n",
    "SELECT name, count(*) FROM boats WHERE \"left_at\" >= '07:00' GROUP BY 1;",
    "for (let i=0; i<boats.length; ++i) { out.push(`${boats[i].name}_v2`); }",
    "std::vector<std::pair<int, char*>> x{{1, nullptr}};\r\n#include <map>\r\n",
    "https://example.org/a-b_c/d.html?q=1&r=%20#top  user.name+tag@example.org",
    '{"boats": [{"id": 7, "fog": null}, {"id": -8.5e-3, "ok": true}]}',
)

_NUMBERS = (
    "In 1984 x = 12345; 3.14159, 1,000,000 and 0xFF; 50% of 7/8; +7 (495) 123-45-67; №5.",
    "٣٤٥ ४५६ Ⅷ ½ ² 10⁻³ 2026-01-31T07:00:00Z v1.2.3-rc.4",
)

_MARKUP = (
    "# A heading\n\n* one\n* _two_ and **three**\n\n| a | b |\n|---|---|\n<p class='x'>&nbsp;</p>",
    "~[ not closed, [in brackets], (in parentheses), «in guillemets», 'in quotes', <0x0A> <unk>",
)

_ODD = (
    "  two in front,   three inside, and two behind  ",
    "\n\n\nlines\n \n\t\tand tabs\u00a0and\u2003odd\u200bspaces\n",
    "cafe\u0301 naïve coöperate ﬁne ½ ＡＢ e\u0301e\u0300 Å",
    "👩‍🚀 🏳️‍🌈 👍🏽 → ∑∫√∞ ≠ ⊂ ℝ ★☂ © ™ ‰ … — – ‑ \ue000",
    "iPhone camelCase snake_case kebab-case SCREAMING_CASE don't O'Neil's rock'n'roll U.S.A.",
)

SAMPLE: tuple[str, ...] = (*PROSE.values(), *_CODE, *_NUMBERS, *_MARKUP, *_ODD)
"""Every text, prose first."""
