"""The plain answers we know, as patterns over bare words (`notify.phrases`), one a line; `<soon>` stands for its part.

Whoever adds one adds an example to the tests, and a sentence that must not fit.
"""

import re
from collections.abc import Mapping

from domain.messages import ReplyIntent

_PARTS = {
    "someone": "someone|somebody|anyone|(a|an|the|your) (technician|engineer|repairman|mechanic|plumber|electrician)",
    "quelqu_un": "quelqu un|(un|le|votre|vos) (technicien|reparateur|depanneur|plombier|chauffagiste|electricien)",
    "soon": "( (asap|as soon as (possible|you can)|quickly|soon|now|round|over|out|vite|rapidement|des que possible))*",
    "can_you": "((can|could|will|would) you |you can |i (want|need|would like) you to )?",
    "pouvez_vous": "((pouvez|pourriez|voulez) vous |vous pouvez |il faut |de |veuillez |faut )?",
    "visitor": "you|he|she|they|it|someone|somebody|(the|your|a) (technician|engineer)|the (visit|appointment|repair)",
    "come": "come|comes|coming|arrive|arrives|arriving|be here|get here|here|pass by|visit",
    "visiteur": "vous|il|elle|on|quelqu un|(le|votre|un) (technicien|reparateur|depanneur)",
    "vient": "vient|viendra|passe|passera|arrive|arrivera|venez|viendrez|passez|passerez|arrivez|arriverez",
    "works": "works|runs|is (working|running|back|fine|ok|good|fixed|repaired|solved|resolved)",
    "marche": "(re)?marche|(re)?fonctionne|tourne|est (reparee?|reglee?|resolu|reparti)",
    "de_nouveau": "( (bien|de nouveau|a nouveau|maintenant|normalement|deja|enfin|tout seul))*",
    "not_any_more": "( anymore| any more)?",
    "not": "do not|don t|dont|never",
    "ours": "((your|any|any more|these|this|more|all|all these|the) )?(<message>)",
    "message": "messages?|texts?|sms|text messages?|e ?mails?|mails?|notifications?",
    "les_notres": "((vos|de|d|des|les|ces|tous ces|tous vos|aucun|de vos) )?(<courrier>)",
    "courrier": "messages?|sms|textos?|e ?mails?|mails?|courriels?|notifications?",
    "write": "text|message|contact|write( to)?|e ?mail|sms|bother|spam",
    "writing": "texting|messaging|contacting|writing( to)?|e ?mailing|bothering|spamming|sending",
    "list": "( (your|the|this|all|my|mailing|list|lists|database|messages|texts|service))*",
    "liste": "( (de|des|du|d|vos|votre|la|cette|tous|ces|cet|envois?|listes?|fichiers?|messages?|sms))*",
}

_ANSWERS = {
    ReplyIntent.FIXED: """
        (it is |it s |its |is )?(already )?(fixed|repaired|solved|resolved|sorted)( (it|already|now|myself))*
        i (have |ve )?(already )?(fixed|repaired|solved|sorted)( it)?( already| now| myself)*
        (it|everything|all) (<works>)( (again|now|already|normally|well))*
        (it s )?(works|working) again( now)?
        (all|it is|it s|everything is|everything s|we are) (good|fine|well)( (now|again|here))*
        (the )?problem (is |has been )?(fixed|solved|resolved|gone)( now)?
        (c est |ca est )?(deja )?(reparee?|reglee?|resolu|arrange)( deja| maintenant)*
        (ca|cela|il|elle|tout|it) (<marche>)<de_nouveau>
        remarche
        c est bon( maintenant)?
        tout va bien( maintenant)?
        tout est (bon|regle|en ordre|rentre dans l ordre)
        (le )?probleme (est )?(regle|resolu)
        j ai (deja )?(repare|regle)( le probleme)?
        """,
    ReplyIntent.SEND_SOMEONE: """
        <can_you>send (me |us )?(<someone>)<soon>
        (i|we) (need|want|would like) (<someone>)( to come)?<soon>
        <can_you>(have|let) (<someone>) come<soon>
        can (<someone>) come<soon>
        (a )?(technician|engineer|visit)
        <pouvez_vous>(m |nous )?(envoyez|envoyer)( moi| nous)? (<quelqu_un>)<soon>
        (je (veux|voudrais|souhaite)|j ai besoin d|il me faut|j aimerais) (<quelqu_un>)<soon>
        (<quelqu_un>) peut (venir|passer)<soon>
        (un )?technicien
        (une )?(intervention|visite)
        """,
    ReplyIntent.FALSE_ALARM: """
        ((everything is|all) fine here )?((it|this|that) (was|is) |just )?(a )?false (alarm|alert)
        (there (is|was) )?nothing (is |was )?wrong( here)?
        there (is|was) no problem
        no (fault|problem here)
        (tout va bien (ici )?)?(c (etait|est) )?(une )?fausse al(erte|arme)
        rien d anormal( ici| chez (moi|nous))?
        il n y a rien( d anormal)?
        il n y (a|avait) pas de probleme
        """,
    ReplyIntent.CALL_ME: """
        <can_you>(call|phone|ring)( (me|us))?( back)?<soon>
        (i want|i would like|i need) a call( back)?
        ((i (want|would like|d like|need) to|can i|may i|let me) )?(talk|speak) (to|with) (<human>|you)
        human|real person|agent|operator|<human>
        <pouvez_vous>(m appeler|me rappeler|me telephoner|(appelez|rappelez|telephonez) moi|rappeler|appeler)<soon>
        (un )?rappel|appel
        (je (veux|voudrais|souhaite) |j aimerais )?etre rappelee?
        ((je (veux|voudrais|souhaite)|puis je|j aimerais|est ce que je peux) )?parler (a|avec) (quelqu un|<humain>)
        humain|conseiller|<humain>
        """.replace("<human>", "a (human|person|real person|human being)|an agent|someone|somebody").replace(
        "<humain>", "une (vraie )?personne|un (humain|conseiller|agent)|une conseillere"
    ),
    ReplyIntent.WHEN: """
        (so )?(when|(at )?what time)( exactly)?( today| tomorrow)?
        (so )?(when|(at )?what time) (do|does|will|are|is|can|would|s) (<visitor>)( (<come>))?( today| tomorrow)?
        (a )?(quand|quelle heure)( exactement)?( est ce que (<visiteur>) (<vient>))?( aujourd hui| demain)?
        (a )?(quand|quelle heure) (<vient>)( t)? (<visiteur>)( aujourd hui| demain)?
        (a )?(quand|quelle heure) (<visiteur>) (<vient>)( aujourd hui| demain)?
        (quand|a quelle heure) (est|sera) (la visite|le rendez vous|le passage|l intervention)
        (c est (pour )?|(<visiteur>) (<vient>) )(quand|(a )?quelle heure)
        """,
    ReplyIntent.ACKNOWLEDGED: """
        (i have |i ve |i )?(seen|read|saw)( (it|this|that|your message))?
        got it|noted|understood|received|k
        (i|we) (see|know|understand)
        i am aware( of it)?
        will do|perfect|great|fine|very good|sounds good|that is fine|that s fine
        (j ai |je l ai |bien |c est )?(vu|recu|lu|note|compris|entendu)( (votre|le) (message|sms))?
        je (sais|vois|comprends)
        parfait|super|tres bien|ca marche pour moi|dac|nickel|c est parfait
        """,
    ReplyIntent.HELP: "help|infos?|aide|informations?",
    ReplyIntent.NOT_MINE: """
        ((this|it|that) (is not|isn t|is no longer) |not )(mine|ours|(my|our) (it|device|phone|house))<not_any_more>
        ((this|it|that) (is not|isn t|is no longer) |not )my (number|home)<not_any_more>
        ((you have|you ve got|this is|it is|it s) )?(the |a )?wrong (number|person|address)
        i (do not|don t|dont|no longer) (have|own) (it|one|(a|any|this|that|such a|the) (it|device))<not_any_more>
        i (am not|m not) the (owner|right person)( of it)?<not_any_more>
        i (have |ve )?(sold (it|the house|the flat)|moved( out| away| house)?)
        i no longer live (here|there)
        (ce )?n est (pas|plus) (a moi|a nous|le mien|la mienne|(ma|mon|notre) (it|appareil|numero))
        c est pas (a moi|(ma|mon) (it|appareil))
        (ca )?n est plus a moi
        (c est (un |le )?)?mauvais numero
        erreur de (numero|destinataire|personne)
        vous (vous )?(trompez|avez trompe|etes trompe|faites erreur)( de (numero|personne|destinataire))?
        je n ai (pas|plus) (de |d )?(it|cet appareil|ca|appareil)
        je ne suis (pas|plus) (le |la |l )?(proprietaire|bonne personne|concernee?)( de it)?
        j ai (demenage|vendu (it|la maison|l appartement|l appareil))
        je n habite plus (la|ici|a cette adresse)
        """,
}
LEAVE_ME_ALONE = """
    unsubscribe|(me |m )?(desabonner|desinscrire)
    opt ?(me )?out( of (this|these|all|everything|your (messages|texts)))?
    stop (opt ?out|fin|(<les_notres>)|plus de (<courrier>)|ne plus( rien)? recevoir)
    stop (au )?[0-9]{5}
    (stop|quit|cancel|end|no more) (<ours>)
    (stop|quit) (<writing>)( (me|us))?( (<ours>))?
    (<not>) (<write>) (me|us)( (<ours>))?
    (<not>) (text|write|message)
    (<not>) send (me |us )?(<ours>)
    i (do not|don t|dont|no longer) want (to (get|receive|have) )?(<ours>)
    leave (me|us) alone
    (unsubscribe|remove|delete|take|opt) (me|us|my number|my e ?mail)( (off|from|out|of))*<list>
    lose my number
    (i )?revoke my consent
    (je )?(ne )?(veux|souhaite|desire) plus( rien)? recevoir( (<les_notres>))?( de vous)?
    (je )?(ne )?(veux|souhaite|desire) plus (<les_notres>)
    (je (veux|souhaite|desire) )?ne plus (rien )?(recevoir|m ecrire|m envoyer|me contacter)( (<les_notres>))?
    (ne )?(m|nous) (ecrivez|envoyez|contactez) plus( rien)?( (<les_notres>))?
    (ne )?(me|nous) (contactez|derangez|spammez) plus
    plus (de |d |aucun )?(<les_notres>)
    (arret(ez|er)?|stop(pez|per)?|cess(ez|er)|fin) (de |d |des |avec |a )?(<les_notres>)
    (arret(ez|er)?|stop(pez|per)?|cess(ez|er)) (de |d )?((m|nous|me) )?(ecrire|contacter|deranger)
    (arret(ez|er)?|stop(pez|per)?|cess(ez|er)) (de |d )?((m|nous) )?envoyer( (<les_notres>))?
    (arret(ez|er)?|stop(pez|per)?|cess(ez|er)) l envoi( (<les_notres>))?
    laissez (moi|nous) tranquilles?
    (desabonnez|desinscrivez|retirez|supprimez|enlevez|effacez) (moi|nous|mon numero|mes coordonnees|mon e ?mail)<liste>
    """
"""Plain sentences by which somebody opts out; without a thing of ours in them, stopping is said of something else."""
AWAY = """
    <being>(<gone>) (until|till|til|up to|and back|back)( the| on)? (?P<until>.+)
    <being>(<gone>) (jusqu (au|a)|jusque|et (je )?(rentre|reviens))( le)? (?P<jusque>.+)
    ((i am|i m|i will be|i ll be|we are|we will be) )?back( home)?( on| the| home)* (?P<back>.+)
    i (return|come back|get back)( on| the| home)* (?P<returning>.+)
    ((je suis|je serai|nous sommes|on est) )?de retour( le)? (?P<retour>.+)
    (je (rentre|reviens)|nous (rentrons|revenons)|on rentre)( le)? (?P<rentre>.+)
    """
"""Each names the day, in a group."""
_PARTS |= {
    "being": "((sorry|desolee?|currently|actuellement|<am>|<suis>) )*",
    "am": "i will be|i ll be|i am|i m|im|we are|we re|we will be",
    "suis": "je (ne )?suis|nous (ne )?sommes|on (n )?est|je serai|nous serons",
    "gone": "away|on (holidays?|vacation|leave|a trip)|abroad|not (at )?home|out of (town|office|the office)|<parti>",
    "parti": "travelling|absente?s?|en (vacances|deplacement|voyage|conges)|pas (la|chez (moi|nous)|a la maison)",
}


def pattern(lines: str) -> re.Pattern[str]:
    """One that any of these lines fits."""
    while named := re.search(r"(?<!\?P)<(\w+)>", lines):
        lines = lines.replace(named[0], f"(?:{_PARTS[named[1]]})")
    plain = re.sub(r"\((?!\?)", "(?:", lines)
    return re.compile("|".join(f"(?:{line.strip()})" for line in plain.strip().splitlines()))


ANSWERS: Mapping[ReplyIntent, re.Pattern[str]] = {intent: pattern(lines) for intent, lines in _ANSWERS.items()}
