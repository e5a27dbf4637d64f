/* encoding_texts.h: short tales in many languages, and the encodings that they are
 * written in. UTF-8; a test encodes them with iconv. */
#ifndef TIDEMARK_TESTS_UNIT_ENCODING_TEXTS_H
#define TIDEMARK_TESTS_UNIT_ENCODING_TEXTS_H

static const char german[] =
    "Am frühen Morgen öffnete der alte Müller die Tür seiner Mühle und hörte, wie das Wasser über "
    "die Räder rauschte. Es hatte die ganze Nacht geregnet, und der Fluß war höher als sonst.\n"
    "Seine Tochter brachte ihm Brötchen, Käse und einen Krug süßer Milch. \"Heute müssen wir "
    "früher "
    "fertig werden\", sagte sie, \"denn gegen fünf Uhr kommen die Gäste aus der Stadt, und ich "
    "möchte "
    "noch Äpfel pflücken.\" Der Müller nickte, zählte die Säcke und schärfte den Mühlstein.\n"
    "Während er arbeitete, dachte er an die Jahre, in denen er allein gelebt hatte. Damals wäre "
    "ihm "
    "kein Weg zu weit und keine Last zu schwer gewesen. Nun spürte er jeden Schritt, und abends "
    "schmerzten ihm die Füße. Doch wenn die Sonne über den Hügeln stand und die Vögel "
    "zwitscherten, "
    "fühlte er sich glücklich. Übrigens verkaufte er sein Mehl bis nach Österreich, und die Bäcker "
    "dort lobten es so sehr, daß er sich jedes Jahr ein größeres Fuhrwerk wünschte.\n";

static const char french[] =
    "Le vieux pêcheur s'était levé bien avant l'aube. Il avait préparé son café, vérifié les "
    "filets "
    "et réveillé son petit-fils, qui rêvait déjà de la mer. Là-bas, derrière les rochers, la "
    "lumière "
    "du phare s'éteignait à peine.\n"
    "\"Où allons-nous aujourd'hui ?\" demanda le garçon. \"Très loin,\" répondit le grand-père, "
    "\"jusqu'à l'île où l'on trouve les crevettes et les crabes. Mais il faudra être prudent : le "
    "vent "
    "a tourné pendant la nuit, et les nuages ne présagent rien de bon.\" Ils poussèrent la barque "
    "légère sur le sable mouillé. Bientôt la côte ne fut plus qu'une ligne grise, et le garçon, "
    "fier "
    "de tenir la barre, chantait à tue-tête.\n"
    "À midi, ils mangèrent du pain, du fromage de chèvre et des pêches. Le vieil homme raconta "
    "l'histoire d'un navire échoué, dont le trésor n'a jamais été retrouvé. \"C'était il y a "
    "longtemps,\" dit-il, \"et ça ne s'oublie pas.\" Le soir, ils rentrèrent fatigués, mais la "
    "pêche "
    "avait été bonne et la famille les attendait près du feu.\n";

static const char icelandic[] =
    "Á litlum bæ undir háu fjalli bjó gömul kona með þremur sonum sínum. Sá elsti hét Þórður, sá "
    "næsti Guðmundur og sá yngsti Ægir. Þeir áttu engar kýr, en kindurnar voru margar og góðar.\n"
    "Einn dag sagði móðirin: \"Nú er veturinn að koma og við höfum engan eldivið. Einhver ykkar "
    "verður að fara út í skóg.\" Þórður neitaði því að honum var kalt á fótunum. Guðmundur þóttist "
    "vera veikur. Þá stóð Ægir á fætur, tók öxina og gekk út í snjóinn. Hann gekk lengi, uns hann "
    "sá ljós á milli trjánna. Þar sat lítill maður á steini og grét.\n"
    "\"Af hverju grætur þú?\" spurði Ægir. \"Ég hef týnt lyklinum mínum,\" svaraði maðurinn, \"og "
    "kemst ekki inn í húsið mitt.\" Ægir leitaði í snjónum þar til hann fann lykilinn undir "
    "rótinni "
    "á gömlu tré. Maðurinn varð svo glaður að hann gaf honum öxi sem hjó sjálf.\n";

static const char polish[] =
    "Dawno temu w małej wiosce nad rzeką żył stary młynarz, który miał trzech synów. Najstarszy "
    "był "
    "silny, średni był mądry, a najmłodszy umiał tylko śpiewać. Ludzie śmiali się z niego, lecz on "
    "się tym nie przejmował.\n"
    "Pewnego dnia młynarz zachorował i poprosił synów, żeby przynieśli mu wodę ze źródła, które "
    "biło "
    "wysoko w górach. Pierwszy wyruszył najstarszy, ale drogę zagrodziła mu przepaść. Drugi "
    "poszedł "
    "średni, jednak zabłądził we mgle i wrócił głodny. Wtedy najmłodszy wziął dzban, kawałek "
    "chleba "
    "i swoją piosenkę. Szedł całą noc, a ptaki słuchały go i leciały przed nim, wskazując "
    "ścieżkę.\n"
    "Kiedy doszedł na szczyt, zobaczył źródło błyszczące jak księżyc. Napełnił dzban, podziękował "
    "ptakom i pobiegł do domu. Ojciec wypił łyk wody, wstał z łóżka i uściskał syna. \"Głos może "
    "więcej niż siła\", powiedział. Odtąd już nikt w całej okolicy nie śmiał się z chłopca.\n";

static const char czech[] =
    "Byl jednou jeden hodinář, který bydlel v úzké uličce pod hradem. Celé dny seděl u okna, "
    "opravoval staré hodiny a díval se na lidi, jak spěchají přes náměstí. Říkalo se o něm, že "
    "dokáže slyšet, kolik je hodin, i když má zavřené oči.\n"
    "Jednoho večera přišla do krámku dívka a položila na stůl stříbrné hodinky. \"Přestaly jít, "
    "když "
    "zemřel můj dědeček,\" řekla tiše. \"Prosím vás, můžete je opravit?\" Hodinář je otevřel, "
    "dlouho "
    "se díval na kolečka a nakonec zavrtěl hlavou. Všechno bylo v pořádku, žádný zub nechyběl, "
    "pružina byla napnutá. Přesto ručičky stály.\n"
    "Potom ho něco napadlo. Požádal dívku, aby mu o dědečkovi vyprávěla. A ona mluvila o zahradě "
    "plné "
    "růží, o teplém chlebu, o písničkách, které jí zpíval před spaním. Když skončila, ozvalo se ze "
    "stolu tiché tikání. Hodinky šly a už se nikdy nezastavily. Žádné peníze si hodinář nevzal.\n";

static const char hungarian[] =
    "Egyszer volt, hol nem volt, élt egy szegény özvegyasszony a hegyek között. Volt neki egy fia, "
    "aki olyan erős volt, hogy a legöregebb tölgyfát is könnyűszerrel kihúzta a földből. Mégis "
    "mindig éheztek, mert a fiú egyszerre hét kenyeret evett meg.\n"
    "Egy őszi reggelen így szólt az anyjához: \"Édesanyám, elmegyek világgá, és szerencsét "
    "próbálok. "
    "Ha gazdag leszek, hazajövök, és többé nem kell dolgoznia.\" Az asszony sírt, de sütött neki "
    "pogácsát az útra. A legény ment, mendegélt hegyeken és völgyeken keresztül, míg egy sűrű erdő "
    "szélén meg nem látott egy öreg embert, akinek a szakálla a földig ért.\n"
    "\"Jó napot, öregapám!\" köszönt illendően. \"Szerencséd, hogy öregapádnak szólítottál,\" "
    "felelte "
    "az öreg. \"Ülj le mellém, és mondd el, mi járatban vagy.\" A fiú leült a tűzhöz, és "
    "megosztotta "
    "vele az utolsó pogácsát. Ezért az öreg egy kis fütyülőt adott neki, amelyre minden állat "
    "előjött az erdőből.\n";

static const char romanian[] =
    "A fost odată un împărat care avea o grădină plină de meri și de trandafiri. În mijlocul "
    "grădinii "
    "creștea un măr cu mere de aur, dar nimeni nu apucase să le guste, fiindcă în fiecare noapte "
    "cineva le fura.\n"
    "„Cine va prinde hoțul”, zise împăratul, „va primi jumătate din împărăție.” Fiul cel mare "
    "stătu "
    "de pază, însă adormi înainte de miezul nopții. Al doilea făcu la fel. Atunci mezinul, pe care "
    "frații îl socoteau prost, își luă arcul și se așeză sub pom. Își înfipse două țepușe în "
    "pământ, "
    "una în față și alta în spate, ca să nu ațipească.\n"
    "Când se crăpă de ziuă, auzi un fâlfâit de aripi și văzu o pasăre strălucitoare. Trase cu "
    "arcul, "
    "iar pasărea lăsă să cadă o pană. „Aceasta este tot ce am putut lua”, îi spuse tatălui său, "
    "„dar "
    "mă voi duce după ea și până la marginea pământului.” Și așa plecă în lume, fără să știe câte "
    "primejdii îl așteaptă.\n";

static const char turkish[] =
    "Bir varmış bir yokmuş, uzak bir ülkede, yüksek dağların ardında küçük bir köy varmış. Bu "
    "köyde "
    "yaşlı bir değirmenci ile güzel kızı yaşarmış. Kızın adı Gülşen imiş ve herkes onu çok "
    "severmiş.\n"
    "Bir gün değirmenin suyu kesilmiş. Değirmenci ırmağın kıyısından yukarı doğru yürümüş, bir de "
    "bakmış ki kocaman bir ağaç suyun önüne düşmüş. Ağacın altında da yaralı bir kuş yatıyormuş. "
    "\"Bana yardım edersen sana bir dilek hakkı veririm\" demiş kuş. Değirmenci şaşırmış, ama kuşu "
    "eline almış, kanadını sarmış ve evine götürmüş.\n"
    "Gülşen kuşa her gün buğday ve su vermiş, ona şarkılar söylemiş. Kırk gün sonra kuş iyileşmiş "
    "ve "
    "pencereden dışarı uçmuş. Ertesi sabah ırmağın suyu yine gürül gürül akmaya başlamış. İhtiyar "
    "değirmenci o günden sonra hiç dilek dilememiş, çünkü istediği her şey zaten yanındaymış.\n";

static const char latvian[] =
    "Reiz dzīvoja kāds vecs zvejnieks, kuram piederēja tikai maza laiviņa un cauri tīkli. Katru "
    "rītu "
    "viņš devās jūrā, bet vakarā atgriezās ar dažām zivtiņām. Sieva bieži sūdzējās, ka mājās "
    "trūkst "
    "maizes un malkas.\n"
    "Kādu dienu vētra aiznesa zvejnieku tālu no krasta. Viļņi cēlās augsti kā kalni, un vecais "
    "vīrs "
    "domāja, ka nekad vairs neredzēs savu mājiņu. Taču naktī debesis noskaidrojās, un viņš "
    "ieraudzīja "
    "salu, kuras smiltis mirdzēja kā sudrabs. Tur pie uguns sēdēja trīs māsas un vērpa diegus.\n"
    "\"Apsēdies un sasildies,\" teica vecākā māsa. \"Mēs zinām, ka tu esi godīgs cilvēks. Ņem šo "
    "kamolīti, un tas tevi aizvedīs mājās.\" Zvejnieks pateicās, iesēdās laivā un ļāva kamolam "
    "ripot pa ūdeni. Rītausmā viņš jau bija savā krastā, un tīkli bija pilni ar lielām zivīm. Kopš "
    "tās dienas ģimenei nekā netrūka, un viņi dzīvoja laimīgi.\n";

static const char lithuanian[] =
    "Seniai seniai, kai dar žmonės mokėjo kalbėtis su žvėrimis, gyveno girininkas, turėjęs devynis "
    "sūnus ir vieną dukterį. Mergaitė buvo labai graži, bet niekada nesijuokė. Tėvas pažadėjo, kad "
    "tas, kuris ją prajuokins, gaus pusę jo miškų.\n"
    "Atėjo daug jaunuolių iš įvairių kraštų. Vieni šoko, kiti pasakojo juokingas istorijas, dar "
    "kiti "
    "vaikščiojo rankomis, tačiau mergaitė tik žiūrėjo pro langą ir tylėjo. Galiausiai prie vartų "
    "pasirodė piemuo su švilpyne. Paskui jį ėjo ožka, paskui ožką - žąsis, o paskui žąsį - storas "
    "katinas su raudona skrybėle.\n"
    "\"Kur jūs visi einate?\" paklausė mergaitė. \"Į jūsų vestuves,\" atsakė piemuo ir taip "
    "linksmai "
    "sušvilpė, kad katinas ėmė šokti. Tada mergaitė nusijuokė pirmą kartą gyvenime, ir juokas "
    "skambėjo per visą girią. Tėvas ištesėjo savo žodį, o svečiai valgė, gėrė ir džiaugėsi iki "
    "ryto.\n";

static const char estonian[] =
    "Elas kord vana sepp, kelle töökoda seisis suure tee ääres. Päeval ja ööl põles ääsis tuli, ja "
    "kõik ümberkaudsed mehed tõid oma hobuseid talle rautada. Sepp oli töökas, kuid väga "
    "üksildane.\n"
    "Ühel külmal õhtul koputas uksele võõras mees, kes palus öömaja. Sepp andis talle süüa ja "
    "juua, "
    "tegi tule kõrvale aseme ja küsis, kust ta tuleb. \"Ma tulen sealt, kus mõõgad sünnivad,\" "
    "vastas "
    "võõras. \"Sinu lahkuse eest õpetan sulle, kuidas rauda nõnda karastada, et ta iialgi ei "
    "murdu.\" Nad töötasid koos kolm ööpäeva, ja neljandal hommikul oli võõras läinud.\n"
    "Sepa mõõgad said kuulsaks üle maa. Kuningas ise saatis käskjala ning lubas tema töö eest "
    "palju "
    "hõbedat. Aga sepp ütles, et ta teeb edaspidi ainult atru ja kõplaid, sest põld vajab rauda "
    "rohkem kui sõda. Nii jäi ta oma külla, ja rahvas armastas teda väga.\n";

static const char sami[] =
    "Ovdal ássá okta boares áhkku smávva goađážis, mii lei duoddara vuolde. Sus ledje golbma "
    "bárdni, ja buohkat sii bivde guliid ja čoggo murjjiid. Dálvet lei hui čoaskkis, ja muohta lei "
    "nu assái ahte eai beassan olggos.\n"
    "Ovtta iđida dajai nuoramus bárdni: \"Mun áiggun vuolgit davás, gos guovssahasat dánsot. "
    "Soaitá mun gávnnan doppe golli.\" Áhkku čierui, muhto attii sutnje liegga gápmagiid ja "
    "biergobihtáža. Bárdni čuoiggai máŋga beaivvi, gitta dassážii go oinnii stuora čáppa "
    "gumppe, mii čohkkái geađggi alde ja geahčai mánu.\n"
    "\"Ale bala,\" dajai gumpe, \"mun dieđán gos golli lea, muhto don šattat vuos veahkehit mu. Mu "
    "juolgi lea darvánan giela sisa.\" Bárdni luvii gumppe, ja dat doalvvuhii su jávrri lusa, gos "
    "geađggit šelge dego násttit. Son válddii dušše ovtta geađggi, ja manai ruoktot eatnis lusa. "
    "Ŧ ja ŋ leat bustávat, maid olbmot čállet.\n";

static const char maltese[] =
    "Darba kien hemm raħal żgħir ħdejn il-baħar, fejn kien joqgħod sajjied xiħ ma' martu. Kull "
    "filgħodu kien joħroġ bid-dgħajsa tiegħu u jitfa' x-xbieki, iżda ftit li xejn kien jaqbad ħut. "
    "Il-mara kienet taħdem fl-għalqa u tbigħ il-ħaxix.\n"
    "Ġurnata waħda s-sajjied sab ġewwa x-xibka ħuta tad-deheb. \"Jekk jogħġbok, tħallini mmur,\" "
    "qaltlu l-ħuta, \"u jien nagħtik dak kollu li tixtieq.\" Ir-raġel baqa' mistagħġeb, għax qatt "
    "ma "
    "kien sema' ħuta titkellem. Ħallieha tmur u reġa' lura d-dar biex jgħid lil martu x'kien "
    "ġara.\n"
    "Il-mara bdiet tgħajjat: \"Għaliex ma tlabtx dar ġdida? Din tagħna waqgħet!\" Għalhekk huwa "
    "reġa' "
    "niżel ħdejn ix-xatt u sejjaħ lill-ħuta. Iż-żewġ għomorhom qatt ma kienu raw dar daqshekk "
    "sabiħa, bil-ġnien u ċ-ċirasa quddiem il-bieb. Imma l-mara xorta ma kinitx kuntenta, u ċaħdet "
    "li "
    "kellha biżżejjed.\n";

static const char welsh[] =
    "Un tro roedd hen ŵr yn byw mewn bwthyn bach wrth droed y mynydd. Roedd ganddo dŷ cynnes, "
    "gardd "
    "llawn blodau, a chi o'r enw Siân. Bob bore byddai'n cerdded at yr afon i nôl dŵr, ac yn "
    "gwrando "
    "ar gân yr adar.\n"
    "Un diwrnod daeth sŵn rhyfedd o'r coed. Aeth y gŵr i weld beth oedd yno, a chanfod oen bach "
    "wedi "
    "ei ddal yn y drain. \"Paid â phoeni,\" meddai, \"fe'th ryddhâf di cyn bo hir.\" Torrodd y "
    "drain "
    "â'i gyllell, a chariodd yr oen adref yn ei freichiau. Rhoddodd laeth a thân iddo, a chysgodd "
    "yr "
    "oen drwy'r nos.\n"
    "Yn y bore gwelodd fod gwlân yr oen wedi troi'n aur. Ond ni werthodd y gŵr mohono, er iddo "
    "gael "
    "cynnig arian mawr gan y brenin. \"Fy ffrind yw hwn,\" atebodd, \"ac nid yw ffrind ar werth i "
    "neb.\" Felly bu'r tri'n byw'n hapus yn y tŷ bach, heb ofni'r gaeaf na'r stormydd ŷd a "
    "gwŷdd.\n";

static const char russian[] =
    "Старый смотритель маяка просыпался задолго до рассвета. Он зажигал лампу, ставил чайник на "
    "плиту "
    "и выходил на балкон посмотреть на море. Ветер дул с севера, и волны разбивались о скалы с "
    "таким "
    "шумом, что чайки молчали.\n"
    "В то утро он заметил вдали лодку. Она двигалась медленно, будто гребец устал или заблудился в "
    "тумане. Смотритель ударил в колокол и стал ждать. Через полчаса лодка подошла к берегу, и из "
    "неё вышла девочка лет десяти. В руках она держала корзину, накрытую платком.\n"
    "- Здравствуйте, дедушка, - сказала она. - Мама прислала вам хлеба и яблок. Она говорит, что "
    "зимой "
    "на острове нечего есть. Старик улыбнулся, взял корзину и пригласил гостью в дом. Они пили чай "
    "с "
    "вареньем, и он рассказывал ей о кораблях, которые когда-то проходили мимо. Ещё он показал ей "
    "большую лампу, и девочка объявила, что тоже будет смотрителем, когда вырастет.\n";

static const char ukrainian[] =
    "Жив собі на краю села старий коваль, і була в нього кузня під високою липою. Щоранку він "
    "роздмухував вогонь, брав молот і кував підкови, сокири та плуги. Люди з усієї округи "
    "приїздили "
    "до нього, бо знали, що його робота служить довго.\n"
    "Якось уночі хтось постукав у двері. На порозі стояв хлопець, увесь мокрий від дощу, і тримав "
    "за "
    "вуздечку білого коня. \"Діду, підкуйте мого коня, бо мені треба їхати далеко,\" попросив він. "
    "Коваль нічого не питав, запалив вогонь і взявся до роботи. Коли підкови були готові, хлопець "
    "дістав із кишені маленький ґудзик і поклав його на ковадло.\n"
    "\"Грошей у мене немає,\" сказав він, \"але цей ґудзик принесе вам щастя.\" Старий засміявся, "
    "та "
    "все ж узяв його і пришив до своєї свитини. Від того дня ані дощ, ані сніг не могли його "
    "змочити, а в кузні завжди було тепло. Є люди, які кажуть, що він живе й досі.\n";

static const char greek[] =
    "Μια φορά κι έναν καιρό, σε ένα μικρό νησί, ζούσε ένας γέρος ψαράς με την κόρη του. Κάθε πρωί "
    "έπαιρνε τη βάρκα του και έβγαινε στο πέλαγος, ενώ η κόρη του έμενε στο σπίτι, έπλεκε τα "
    "δίχτυα "
    "και τραγουδούσε.\n"
    "Μια μέρα ο ψαράς έπιασε ένα παράξενο ψάρι με χρυσά λέπια. \"Άφησέ με ελεύθερο,\" του είπε το "
    "ψάρι, \"και θα σου χαρίσω ό,τι επιθυμείς.\" Ο γέρος σκέφτηκε λίγο και απάντησε: \"Δεν θέλω "
    "τίποτα για μένα, αλλά θα ήθελα η κόρη μου να είναι ευτυχισμένη.\" Το ψάρι κούνησε την ουρά "
    "του "
    "και χάθηκε μέσα στα κύματα.\n"
    "Το ίδιο βράδυ ένα καράβι έφτασε στο λιμάνι. Ο νεαρός καπετάνιος άκουσε το τραγούδι της κόρης "
    "και την ερωτεύτηκε. Ύστερα από λίγο καιρό παντρεύτηκαν, και στον γάμο τους ήρθε όλο το νησί. "
    "Ο "
    "γέρος ψαράς κάθισε στην άκρη της θάλασσας και ευχαρίστησε το χρυσό ψάρι.\n";

static const char hebrew[] =
    "לפני שנים רבות חי בכפר קטן זקן אחד שהיה בונה כינורות. כל היום ישב ליד החלון, שייף את העץ "
    "והקשיב לקול הרוח. האנשים אמרו שהכינורות שלו יודעים לבכות ולצחוק, אבל הזקן רק חייך ולא ענה.\n"
    "יום אחד נכנס לחנות ילד יחף וביקש ללמוד לנגן. \"אין לי כסף,\" אמר הילד, \"אבל אני יכול לטאטא "
    "את "
    "הרצפה ולהביא מים מן הבאר.\" הזקן נתן לו כינור ישן, והילד ניגן מן הבוקר עד הערב. בהתחלה ברחו "
    "אפילו החתולים, אך לאחר שנה באו אנשים מכל הסביבה כדי לשמוע אותו.\n"
    "כאשר הזקן חלה, ישב הילד ליד מיטתו וניגן לו מנגינה שאיש לא שמע מעולם. הזקן פקח את עיניו ואמר: "
    "\"זה הקול שחיפשתי כל חיי.\" מאז גדל הילד והיה לנגן גדול, אבל תמיד חזר לכפר הקטן וטאטא בעצמו "
    "את "
    "רצפת החנות.\n";

static const char arabic[] =
    "كان يا ما كان، في قديم الزمان، رجل عجوز يعيش في قرية صغيرة على ضفة النهر. كان يصنع السلال من "
    "القصب ويبيعها في السوق كل يوم خميس، ثم يعود إلى بيته ومعه الخبز والتمر.\n"
    "وفي صباح بارد وجد العجوز طائرا جريحا بين القصب. حمله إلى بيته، وأشعل النار، وأطعمه من طعامه "
    "القليل. قالت له زوجته: \"نحن فقراء، فكيف نطعم الطير أيضا؟\" فأجابها: \"إن الرحمة لا تنقص من "
    "الرزق شيئا.\" ومرت الأيام حتى شفي الطائر وطار من النافذة.\n"
    "بعد عام عاد الطائر وفي منقاره بذرة غريبة، فزرعها العجوز أمام الباب. نمت البذرة وصارت شجرة "
    "عظيمة، ثمارها حلوة وظلها واسع، وجاء الناس من كل مكان ليجلسوا تحتها ويسمعوا حكاية العجوز "
    "والطائر. ومنذ ذلك اليوم لم يعرف أهل القرية الجوع أبدا.\n";

static const char vietnamese[] =
    "Ngày xửa ngày xưa, ở một làng nhỏ bên bờ sông, có một ông lão đánh cá sống với cô cháu gái. "
    "Mỗi "
    "buổi sáng, ông chèo thuyền ra giữa dòng, thả lưới và chờ đợi. Cô cháu ở nhà nấu cơm, quét sân "
    "và "
    "cho gà ăn.\n"
    "Một hôm trời mưa rất to, nước sông dâng cao và chảy xiết. Ông lão không về. Cô bé đứng trên "
    "bờ "
    "gọi mãi mà chỉ nghe thấy tiếng gió. Bỗng nhiên có một con rùa lớn nổi lên và nói: \"Cháu đừng "
    "khóc nữa, hãy ngồi lên lưng ta, ta sẽ đưa cháu đến chỗ ông.\" Cô bé lau nước mắt, cảm ơn rùa "
    "rồi "
    "bước xuống nước.\n"
    "Hai bà cháu rùa đi suốt đêm, đến gần sáng thì thấy chiếc thuyền mắc vào một gốc cây. Ông lão "
    "vẫn "
    "còn sống, nhưng rất mệt và đói. Từ đó về sau, mỗi khi bắt được nhiều cá, ông lại thả một con "
    "thật to xuống sông để nhớ ơn con rùa tốt bụng.\n";

static const char thai[] =
    "กาลครั้งหนึ่งนานมาแล้ว มีชายชราคนหนึ่งอาศัยอยู่ในหมู่บ้านเล็กๆ ริมแม่น้ำ ทุกเช้าเขาจะออกไปจับปลา "
    "และกลับบ้านตอนเย็นพร้อมกับปลาเพียงไม่กี่ตัว\n"
    "วันหนึ่งเขาพบนกบาดเจ็บอยู่ใต้ต้นไม้ใหญ่ เขาจึงนำนกกลับมาที่บ้าน ให้น้ำและข้าวแก่มัน "
    "ภรรยาของเขาบ่นว่าเรายากจน แต่ชายชราตอบว่าความเมตตาไม่เคยทำให้ใครจนลง\n"
    "เมื่อนกหายดีแล้ว มันก็บินจากไป ปีต่อมานกตัวนั้นกลับมาพร้อมกับเมล็ดพืชสีทอง ชายชราปลูกเมล็ดนั้น "
    "ไว้หน้าบ้าน และมันก็เติบโตเป็นต้นไม้ที่ออกผลหวานตลอดทั้งปี ทุกคนในหมู่บ้านจึงไม่เคยอดอยากอีกเลย\n";

static const char japanese[] =
    "むかしむかし、山のふもとの小さな村に、年をとった時計職人が住んでいました。毎日窓のそばに座って"
    "、"
    "古い時計を直しながら、道を歩く人々をながめていました。\n"
    "ある雨の夜、一人の少女が店に入ってきて、銀色の時計を机の上に置きました。「おじいさんが亡くなっ"
    "た"
    "日から、動かなくなってしまったのです。直してもらえますか」と少女は言いました。職人は時計を開け"
    "て"
    "みましたが、どこも壊れていません。歯車もバネもきちんとしているのに、針だけが動かないのです。\n"
    "そこで職人は、少女におじいさんの話をしてほしいと頼みました。少女は、庭に咲く花のこと、温かいパ"
    "ン"
    "のこと、そして眠る前に歌ってくれた歌のことを話しました。話が終わると、机の上から小さな音が聞こ"
    "え"
    "てきました。時計はまた動き始め、それから二度と止まることはありませんでした。職人は代金を受け取"
    "ら"
    "ず、笑って少女を見送りました。\n";

static const char simplified[] = "从前，在一座高山脚下的小村子里，住着一位年老的钟表匠。他每天坐在"
                                 "窗边，一边修理旧钟表，一边看着街上"
                                 "来来往往的人。村里的人都说，他闭着眼睛也能听出现在是几点钟。\n"
                                 "一个下雨的晚上，有个小姑娘走进店里，把一块银色的怀表放在桌子上。“"
                                 "自从爷爷去世那天起，它就不走了，"
                                 "”她轻轻地说，“您能帮我修好吗？”老人打开怀表，仔细看了很久，可是什"
                                 "么毛病也没有发现。齿轮都很好，发"
                                 "条也是紧的，只有指针一动不动。\n"
                                 "于是老人请小姑娘讲讲她爷爷的故事。她说起院子里的花，说起刚刚烤好"
                                 "的面包，还有睡觉以前爷爷唱给她听的"
                                 "歌。等她说完，桌子上传来了细小的声音，怀表又开始走了，从此以后再"
                                 "也没有停过。老人没有收钱，只是笑着"
                                 "送她出门，对她说：时间会记住爱你的人。\n";

static const char traditional[] = "從前，在一座高山腳下的小村子裡，住著一位年老的鐘錶匠。他每天坐在"
                                  "窗邊，一邊修理舊鐘錶，一邊看著街上"
                                  "來來往往的人。村裡的人都說，他閉著眼睛也能聽出現在是幾點鐘。\n"
                                  "一個下雨的晚上，有個小姑娘走進店裡，把一塊銀色的懷錶放在桌子上。"
                                  "「自從爺爺去世那天起，它就不走了，"
                                  "」她輕輕地說，「您能幫我修好嗎？」老人打開懷錶，仔細看了很久，可"
                                  "是什麼毛病也沒有發現。齒輪都很好，"
                                  "發條也是緊的，只有指針一動不動。\n"
                                  "於是老人請小姑娘講講她爺爺的故事。她說起院子裡的花，說起剛剛烤好"
                                  "的麵包，還有睡覺以前爺爺唱給她聽的"
                                  "歌。等她說完，桌子上傳來了細小的聲音，懷錶又開始走了，從此以後再"
                                  "也沒有停過。老人沒有收錢，只是笑著"
                                  "送她出門，對她說：時間會記住愛你的人。\n";

static const char korean[] = "옛날 옛적에 높은 산 아래 작은 마을에 나이 많은 시계공이 살고 "
                             "있었습니다. 그는 날마다 창가에 앉아 낡은 "
                             "시계를 고치면서 길을 지나가는 사람들을 바라보았습니다. 마을 사람들은 "
                             "그가 눈을 감고도 지금이 몇 시인지 "
                             "알 수 있다고 말했습니다.\n"
                             "비가 오는 어느 날 밤, 한 소녀가 가게에 들어와 은으로 만든 시계를 "
                             "책상 위에 올려놓았습니다. \"할아버지가 "
                             "돌아가신 날부터 멈춰 버렸어요. 고쳐 주실 수 있나요?\" 하고 소녀가 "
                             "물었습니다. 노인은 시계를 열어 오랫동안 "
                             "들여다보았지만 고장 난 곳을 찾지 못했습니다. 톱니바퀴도 태엽도 모두 "
                             "멀쩡한데 바늘만 움직이지 않았습니다.\n"
                             "그래서 노인은 소녀에게 할아버지 이야기를 들려 달라고 했습니다. "
                             "소녀는 마당에 피던 꽃과 따뜻한 빵과 잠들기 "
                             "전에 불러 주던 노래를 이야기했습니다. 이야기가 끝나자 책상 위에서 "
                             "작은 소리가 들려왔습니다. 시계는 다시 "
                             "움직이기 시작했고 그 뒤로 다시는 멈추지 않았습니다.\n";

static const struct encoding_text {
    const char *encoding, *language, *text;
} encoding_texts[] = {
    {"windows-1252", "German", german},
    {"ISO-8859-1", "German", german},
    {"ISO-8859-15", "German", german},
    {"windows-1252", "French", french},
    {"ISO-8859-1", "French", french},
    {"ISO-8859-15", "French", french},
    {"windows-1252", "Icelandic", icelandic},
    {"ISO-8859-1", "Icelandic", icelandic},
    {"ISO-8859-10", "Icelandic", icelandic},
    {"windows-1250", "Polish", polish},
    {"ISO-8859-2", "Polish", polish},
    {"ISO-8859-16", "Polish", polish},
    {"windows-1250", "Czech", czech},
    {"ISO-8859-2", "Czech", czech},
    {"windows-1250", "Hungarian", hungarian},
    {"ISO-8859-2", "Hungarian", hungarian},
    {"ISO-8859-16", "Romanian", romanian},
    {"windows-1254", "Turkish", turkish},
    {"ISO-8859-9", "Turkish", turkish},
    {"windows-1257", "Latvian", latvian},
    {"ISO-8859-13", "Latvian", latvian},
    {"ISO-8859-4", "Latvian", latvian},
    {"windows-1257", "Lithuanian", lithuanian},
    {"ISO-8859-13", "Lithuanian", lithuanian},
    {"ISO-8859-4", "Lithuanian", lithuanian},
    {"ISO-8859-10", "Lithuanian", lithuanian},
    {"windows-1257", "Estonian", estonian},
    {"ISO-8859-4", "Estonian", estonian},
    {"ISO-8859-10", "Sami", sami},
    {"ISO-8859-4", "Sami", sami},
    {"ISO-8859-3", "Maltese", maltese},
    {"ISO-8859-14", "Welsh", welsh},
    {"windows-1251", "Russian", russian},
    {"KOI8-R", "Russian", russian},
    {"KOI8-U", "Russian", russian},
    {"ISO-8859-5", "Russian", russian},
    {"windows-1251", "Ukrainian", ukrainian},
    {"KOI8-U", "Ukrainian", ukrainian},
    {"windows-1253", "Greek", greek},
    {"ISO-8859-7", "Greek", greek},
    {"windows-1255", "Hebrew", hebrew},
    {"ISO-8859-8", "Hebrew", hebrew},
    {"windows-1256", "Arabic", arabic},
    {"ISO-8859-6", "Arabic", arabic},
    {"windows-1258", "Vietnamese", vietnamese},
    {"ISO-8859-11", "Thai", thai},
    {"Shift_JIS", "Japanese", japanese},
    {"EUC-JP", "Japanese", japanese},
    {"ISO-2022-JP", "Japanese", japanese},
    {"GB18030", "simplified Chinese", simplified},
    {"GB18030", "traditional Chinese", traditional},
    {"GB2312", "simplified Chinese", simplified},
    {"Big5", "traditional Chinese", traditional},
    {"EUC-KR", "Korean", korean},
    {"UTF-8", "Korean", korean},
    {"UTF-16LE", "French", french},
    {"UTF-16BE", "Russian", russian},
    {"UTF-16LE", "Japanese", japanese},
    {"UTF-16BE", "simplified Chinese", simplified},
    {"UTF-16LE", "Korean", korean},
    {"UTF-32LE", "Greek", greek},
    {"UTF-32BE", "Japanese", japanese},
};

enum { ENCODING_TEXTS = sizeof encoding_texts / sizeof *encoding_texts };

#endif
