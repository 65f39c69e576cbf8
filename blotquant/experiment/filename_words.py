"""Words and forms in the file names of blots: how people and imagers write dates, times, replicates, sites, proteins.

English, German, French and Spanish; letters with accents are compared without them (`filenames.parse_name`).
"""

from __future__ import annotations

import re

START = r"(?<![A-Za-zα-ω\d])"
END = r"(?![A-Za-zα-ω\d])"
MONTH = (
    "jan(?:uary?)?|feb(?:ruary?)?|mar(?:ch|z)?|mrz|apr(?:il)?|avr(?:il)?|may|mai|june?|juni|july?|juli|aug(?:ust)?|"
    "sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|de[cz](?:ember)?"
)
DATE = re.compile(
    rf"{START}(\d{{4}}[-_. ]?\d{{2}}[-_. ]?\d{{2}}|\d{{1,2}}[-_.]\d{{1,2}}[-_.]\d{{4}}|\d{{2}}[-_.]\d{{2}}[-_.]\d{{2}}"
    rf"|\d{{1,2}}\.\d{{1,2}}\.\d{{2}}"
    rf"|\d{{6}}|\d{{1,2}}[ _.-]{{0,2}}(?:{MONTH})[ _.-]{{0,2}}(?:\d{{4}}|\d{{2}})?|(?:{MONTH})[ _-]?\d{{1,2}}"
    rf"(?:[ ,_-]+\d{{4}})?){END}",
    re.I,
)
# The time of day in an imager's default name: 14hr 05min 33sec, 14h05m33s, 14.05.33, or six digits behind a date.
CLOCK = re.compile(
    rf"{START}\d{{1,2}} ?(?:hr?|hrs)[ _.-]?\d{{1,2}}(?: ?m(?:in)?)?(?:[ _.-]?\d{{1,2}}(?: ?s(?:ec)?)?)?{END}"
    rf"|{START}[0-2]\d[.:-][0-5]\d[.:-][0-5]\d{END}|{START}T?[0-2]\d[0-5]\d[0-5]\d{END}",
    re.I,
)
# A run time as some imagers write it: 00h01m30s, 01m30s500ms; and a person's 1min30s.
LONG_TIME = re.compile(
    r"(?<![\dA-Za-z.,])(?:(\d{1,2}) ?h(?=0?\d ?m))?(\d{1,3}) ?m(?:in)?[ _-]?(\d{1,2}) ?s(?:ec|ek)?"
    r"(?:[ _-]?(\d{1,3}) ?ms)?(?![A-Za-z\d])",
    re.I,
)
EXPOSURE = re.compile(
    r"(?:(?<![\dA-Za-z.,])|(?<=exp)|(?<=exposure)|(?<=[ _-][et]))(\d+(?:[.,]\d+)?)[ _-]?"
    r"(ms|msecs?|s|secs?|seconds?|sek|sekunden?|secondes?|segs?|segundos?|min|mins|minutes?|minuten?|minutos?)"
    r"(?![A-Za-z\d])",
    re.I,
)
SAID_EXPOSURE = re.compile(
    r"(?:exp(?:osure|osition|osicion|os|\.)?(?: ?time)?|belichtung(?:szeit)?|bel\.?|pose|temps(?: de pose)?)[ _=:-]*$",
    re.I,
)
# A number without unit behind the short word: an experiment, or an exposure.
BARE_EXPOSURE = re.compile(rf"{START}exp(?:\.|os)?[ _-]?(\d{{1,4}})(?![A-Za-z\d.,])", re.I)
# A time right beside one of these is a treatment: "EGF 10 min", "10 min insulin".
STIMULUS = (
    r"egf|igf-?1?|insulin|ins|tnf-?a?|il-?\d+b?|lps|serum|fbs|pma|tpa|hgf|fgf|ngf|nrg|hrg|pdgf|vegf|tgf-?[bβ]?1?|"
    r"estradiol|e2|h2o2|stim\w*|treat\w*|behand\w*|inkub\w*|incub\w*|chase|recovery|starv\w*|post|after|nach|hypoxia|uv"
)
AFTER_STIMULUS = re.compile(rf"(?<![A-Za-z])(?:{STIMULUS})[ _+-]*$", re.I)
BEFORE_STIMULUS = re.compile(rf"^[ _+-]*(?:{STIMULUS})(?![A-Za-z])", re.I)
LONGER = re.compile(rf"{START}\d+(?:[.,]\d+)? ?(?:h|hr|hrs|hours?|d|days?|wks?|weeks?){END}", re.I)

REPLICATE = "replicate|replikat|replicat|replica|repl?|wiederholung|wdh|repetition|repeticion"
BLOT = re.compile(
    r"(?<![A-Za-z])(?:biological|biologisch\w*|biologique|biologico|biol?\.?)?[ _-]?"
    rf"(?:blot|{REPLICATE}|experiment|experience|experimento|expt|versuch|ansatz|essai|exp|gel|set|wb|br|bio|n|r|b)"
    r"\.?[ _=#-]?(\d{1,3}|i{1,3}|iv)([a-d])?(?![A-Za-z\d])",
    re.I,
)
# A person or an animal is a replicate only where a blot holds no other: a guess.
DONOR = re.compile(
    r"(?<![A-Za-z])(?<!anti-)(?<!anti_)(?<!anti )"
    r"(?:donor|patient|pat|pt|spender|donneur|animal|tier|mouse|maus|souris|rat|ratte)"
    r"\.?[ _=#-]?(\d{1,2})(?![A-Za-z\d])",
    re.I,
)
TECHNICAL = re.compile(
    rf"(?<![A-Za-z])(?:(?:technical|techn?\.?|technisch\w*|technique)[ ._-]*(?:{REPLICATE})?|tr)[ ._-]?(\d{{1,2}})"
    r"(?![A-Za-z\d])",
    re.I,
)
ORDINAL = re.compile(rf"{START}(\d)(?:st|nd|rd|th)[ _-]?(?:blot|replicate|rep|experiment|exp)?{END}", re.I)
HASH = re.compile(r"(?:#|no\.? ?|nr\.? ?)(\d{1,3})(?![A-Za-z\d])", re.I)
LETTERED = re.compile(rf"{START}(?:blot|{REPLICATE}|experiment|versuch|essai|exp|gel|set)[ _-]([A-H]){END}", re.I)
ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4"}
MEMBRANE = re.compile(r"(?<![A-Za-z])(?:membran[ae]?|memb?)[ _-]?(\d{0,3}[a-d]?)(?![A-Za-z\d])", re.I)
BARE_NUMBER = re.compile(r"^\(?(\d{1,2})\)?(?=[ _.-]|$)|(?<=[ _.-])\(?(\d{1,2})\)?$|\((\d{1,2})\)$")

STAINS = re.compile(
    r"revert|ponceau|coomassie|(?<![a-z])cbb(?![a-z])|stain[ _-]?free|no[ _-]?stain|amido[ _-]?black|sypro|memcode|"
    r"fast[ _-]?green|direct[ _-]?blue|total[ _-]?protein|gesamt[ _-]?protein|proteines?[ _-]totales?|"
    r"proteinas?[ _-]totales|"
    r"(?<![a-z])TPS?(?![a-z\d])",
    re.I,
)
NOT_A_PROBE = re.compile(
    r"marker|marqueur|marcador|ladder|(?<![a-z])leiter|precision[ _-]?plus|merged?(?![a-z])|overlay|uberlagerung|"
    r"superposition|composite|colou?rimetric|kolorimetrisch|white[ _-]?light|weiss?licht|weißlicht|epi[ _-]?white|"
    r"bright[ _-]?field|hellfeld",
    re.I,
)
RESIDUE = "(?i:S|T|Y|Ser|Thr|Tyr)"
SITE = re.compile(
    rf"(?<![A-Za-z])(p?)({RESIDUE}[ _-]?\d{{2,4}}(?:[/_-]\d{{2,4}}|[ ,/_-]+{RESIDUE}\d{{2,4}})?)(?![A-Za-z\d])"
)
ONE_SITE = re.compile(rf"(?<![A-Za-z])(p?)({RESIDUE}[ _-]?\d{{2,4}})(?![A-Za-z\d])")
SITE_LETTER = {"473": "S", "308": "T"}
"""Sites of AKT that are written as a bare number."""

# Ways to write a protein, and the one name used for it in the draft. Order counts: the longer name first.
PROTEINS = (
    (r"(?:akt|pkb)[123]?|akt1[/_-]2", "AKT"),
    (r"erk[ _-]?5", ""),
    (r"erk[ _-]?1[/_,-]?2|erk12|erk[12]?|(?:p44[/_-]p?42[ _-]?)?mapk|p44[/_-]?p?42|p42[/_-]?p?44", "ERK"),
    (r"(?:b|β|beta)[ _-]?(?:act(?:ine?)?|aktin)|actb|actine?|aktin", "beta-actin"),
    (r"ga[pd]dh|g[ad]pdh|g3pdh", "GAPDH"),
    (r"(?:b|β|beta)[ _-]?tub(?:uline?)?|tubb", "beta-tubulin"),
    (r"(?:a|α|alpha)?[ _-]?tub(?:uline?)?|tuba", "alpha-tubulin"),
    (r"vinculine?|vinc|vcl", "vinculin"),
    (r"hsp[ _-]?(?:90|70|60|27)[abαβ]?", ""),
    (r"lamin[ _-]?(?:a[/_-]?c|b1?)", ""),
    (r"histone[ _-]?h3|h3", "H3"),
    (r"cox[ _-]?(?:iv|4)", "COX IV"),
    (r"gsk[ _-]?3[ _-]?(?:b|β|beta)", "GSK3beta"),
    (r"gsk[ _-]?3[ _-]?(?:a|α|alpha)", "GSK3alpha"),
    (r"gsk[ _-]?3", "GSK3"),
    (r"(?:p70[ _-]?)?s6[ _-]?k(?:inase)?1?|p70[ _-]?s6", "S6K"),
    (r"s6(?:rp)?|rps6", "S6"),
    (r"4e?[ _-]?bp-?1", "4E-BP1"),
    (r"mtor", "mTOR"),
    (r"stat[ _-]?[1-6][ab]?", ""),
    (r"smad[ _-]?2[/_-]3", "SMAD2/3"),
    (r"smad[ _-]?[1-9]", ""),
    (r"mek[ _-]?1[/_-]2|mek[12]?", "MEK"),
    (r"c?[ _-]?raf1?|braf", ""),
    (r"i[ _-]?[kκ]b[ _-]?(?:a|α|alpha)", "IkBalpha"),
    (r"(?:nf[ _-]?[kκ]b[ _-]?)p65", "p65"),
    (r"nf[ _-]?[kκ]b", "NF-kB"),
    (r"er[ _-]?(?:α|alpha)|er-?a|esr1", "ERalpha"),
    (r"er[ _-]?(?:β|beta)|esr2", "ERbeta"),
    (r"her[ _-]?[234]|erbb[ _-]?[234]", ""),
    (r"egfr|igf-?1r(?:[βb]|beta)?|insr|met|c-met|fgfr[1-4]?|vegfr2?|pdgfr[abαβ]?", ""),
    (r"ampk(?:[ _-]?(?:α|alpha))?", "AMPK"),
    (r"jnk(?:1[/_-]?2|[123])?|sapk[/_-]?jnk", "JNK"),
    (
        r"ire1[aα]?|atf[46]|eif2[aα]?|chop|pkc(?:[aαδθζ])?|plc[gγ]1?|cofilin|paxillin|caveolin-?1|"
        r"creb|src|fak|pten|pi3k|irs-?1|pras40|tsc2|foxo[134]?a?|acc|ulk1|camkii|tbk1|irf3",
        "",
    ),
    (r"(?:cleaved|cl|pro)?[ _-]?casp(?:ase)?[ _-]?\d{1,2}", ""),
    (r"(?:cleaved|cl|c)?[ _-]?parp-?1?", ""),
    (r"bcl[ _-]?(?:2|xl)|mcl-?1|bax|bak|bim|puma|survivin|xiap", ""),
    (r"cyclin[ _-]?[abde]\d?|ccnd1|cdk[ _-]?\d|rb1?", ""),
    (r"c?[ _-]?myc", "MYC"),
    (r"[en][ _-]?cad(?:herin)?|vimentin|snail|slug|zeb1", ""),
    (r"lc3[ab]?|beclin-?1|atg\d+|sqstm1", ""),
    (r"flag|gfp|mcherry|gst|(?:ha|myc|his|flag|v5)[ _-]?tag", ""),
    (r"tp53", "TP53"),
    (r"p(?:16|21|27|38|52|53|62|65|70|90|100)(?:ink4a|cip1|kip1|mapk)?", ""),
    (r"hif-?1?(?:α|a|alpha)?|nrf2|keap1|yap1?|taz|[bβ]-?catenin|beta-?catenin|notch1|ki-?67|pcna", ""),
    (r"g?h2a\.?x|γ-?h2ax|gamma-?h2ax", "gammaH2AX"),
)
PHOSPHO = r"(?:phosphorylated|phosphorylier\w*|phospho|fosfo|phos|ph)[ _.-]*|p[ _.-]+|p"
TOTAL = r"(?:totale?s?|tot|pan|gesamt)[ _.-]*|t[ _.-]+|t"
KNOWN = tuple(
    (
        re.compile(
            rf"{START}(?:(?P<phospho>{PHOSPHO})|(?P<total>{TOTAL}))??(?P<body>{pattern})"
            rf"(?P<digits>[ _-]?\(?(?:p?473|p?308)\)?)?(?P<after>[ _-]?\(p\)|[ _-]p)?"
            rf"(?:[ _-](?:totale?s?|gesamt|pan))?(?![A-Za-zα-ω\d])",
            re.I,
        ),
        name,
    )
    for pattern, name in PROTEINS
)
# A protein that is not in the list but is marked: a capital after the p tells pKAP1 from PTEN.
MARKED = re.compile(
    rf"{START}(?:(?P<phospho>(?i:phosphorylated|phospho|fosfo|phos)[ _-]*|[pP][ _-]+|p(?=[A-Z]))|"
    rf"(?P<total>(?i:total|tot|pan|gesamt)[ _-]*|[tT][ _-]+|t(?=[A-Z]{{2,}})))(?P<body>[A-Za-z][\w-]*)"
)

# Words of the trade, imagers and their habits: none of them is an antibody.
NOISE = re.compile(
    rf"{START}(?:wb|western|(?:immuno)?blots?|gels?|membran[ae]?|memb?|images?|img|bild|dsc|scan(?:ned)?|pic|photo|"
    r"chemi(?:luminescen(?:ce|t)|doc)?|ecl|femto|pico|raw|originals?|orig|copy|copie|copia|kopie|(?:von|de|of)|final|"
    r"edit(?:ed)?|bearbeitet|adjusted|adj|crop(?:ped)?|invert(?:ed|iert)?|new|neue?|nouveau|old|alte?|rerun|redo|"
    r"exposures?|expos|exp|belichtung(?:szeit)?|pose|exposition|exposicion|auto(?:matic|matisch)?|manuell?|optimal|"
    r"rapid|intense|high|low|short|long|kurze?|lange?|court|smart|serie|increment(?:al)?|"
    r"medium|light|dark|strong|weak|best|good|bad|"
    r"(?:8|16|32)[ -]?bit|\d+ ?dpi|channel|kanal|ch\d?|admin|user|lab|mp|touch|xrs\+?|odyssey|clx|dlx|"
    r"azure|c\d00|amersham|ai ?6[08]0|iq ?800|imager|export(?:ed)?|image ?studio|fl ?1[05]00|"
    r"las[ -]?\d*|imagequant|ibright|fusion|vilber|fx\d?|solo|g-?box|syngene|typhoon|untitled|unbenannt|default|"
    r"strip(?:ped)?|re-?probed?|after|before|then|and|with|vs|und|et|mit|nach|ab|antibody|antikorper|anticorps|anti|"
    r"rabbit|mouse|goat|rb|ms|"
    r"o/?n|overnight|hi-?res|sensitivity|high[ -]resolution|700|800|ir\d{3}|cy[235]|replicate|rep|biol?|techn?|n|"
    r"ip|ib|input|nuclear|nucleus|cyto(?:sol(?:ic)?)?|fraction|whole|cell|uberexpression|overexpression|knock-?down|kd|"
    r"treated|untreated|loading|control|ctrl|kontrolle|temoin|"
    r"total|tot|gesamt|phospho|lysates?|lysat|samples?|proben?|test|quant|result|fig(?:ure)?|supp?)(?![A-Za-z])",
    re.I,
)
CELLS = re.compile(
    rf"{START}(?:mcf-?7|mcf-?10a|wt|ko|ctrl|control|veh(?:icle)?|dmso|sirna|shrna|oe|parental|tamr|anar|letr|exer|"
    r"hela|hek ?-?293t?|293t?|a549|t-?47d|mda[ _-]?(?:mb)?[ _-]?\d+|lncap|c4-2b?|pc-?3|"
    r"du-?145|skbr-?3|bt-?\d{3}|hepg2|huh7|u2os|u87(?:mg)?|u251|hct-?116|sw\d{3}|ht-?29|caco-?2|"
    r"(?:nih)?3t3(?:-?l1)?|raw ?264(?:\.7)?|"
    r"thp-?1|jurkat|k562|hl-?60|cho|cos-?7|mefs?|c2c12|ins-?1|pc12|sh-?sy5y|huvecs?|a431|a375|h1299|h1975|panc-?1|bv-?2|"
    r"liver|kidney|heart|brain|muscle)"
    r"(?![A-Za-z\d])",
    re.I,
)
