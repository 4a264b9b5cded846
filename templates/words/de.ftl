### Die Wörter eines Berichts und seiner Mitteilung; was die Variablen sind, steht in en.ftl.
###
### Wortwahl: slide = Präparat, patch = Kachel, cell = Rasterfeld, focus = Herd, threshold = Schwellenwert,
### spacing = Pixelgröße, neighbours = Nachbarkacheln, model’s card = Modellkarte, stride = Schrittweite.

## Das Labor.

lab-name = { "" }
lab-logo = Logo des Labors

## Zahlen und was gezählt wird.

not-defined = nicht definiert
yes = ja
no = nein
red-green-blue = Rot { $red }, Grün { $green }, Blau { $blue }
date-format = %d.%m.%Y, %H:%M %Z
date-format-seconds = %d.%m.%Y, %H:%M:%S %Z
foci = { $n ->
    [one] { $count } Herd
   *[other] { $count } Herde
}
patches = { $n ->
    [one] { $count } Kachel
   *[other] { $count } Kacheln
}
patients = { $n ->
    [one] { $count } Patient
   *[other] { $count } Patienten
}
slides = { $n ->
    [one] { $count } Präparat
   *[other] { $count } Präparate
}
orientations = { $n ->
    [one] { $count } Lage
   *[other] { $count } Lagen
}
range = { $low } bis { $high }
and = { " und " }
or = { " oder " }

## Auf jeder Seite.

research-use = Nur für Forschungszwecke – nicht zur Diagnostik
slide-title = Präparat { $slide }
document-title = Präparat { $slide } – Bericht von batchscan
footer = Ergebnis { $digest } · batchscan { $version } · gedruckt { $when }
footer-data = Daten { $digest }

## Seite eins: welches Präparat, und die Antwort.

identity = Patient { $patient }, { $size }. Pixelgröße { $spacing }. Modell { $name } { $version }.
slide-size = { $width } breit, { $height } hoch
headline-no-tissue = Kein Gewebe gefunden: Ausdehnung nicht definiert
headline-not-analysed = Nicht ausgewertet: Ausdehnung des IDC nicht definiert
headline-none = Kein IDC-positives Gewebe durch dieses Modell gefunden
headline-found = IDC-positives Gewebe durch dieses Modell gefunden
answer-no-tissue = Keine Kachel wurde bewertet: Ein invasives duktales Karzinom (IDC) ist weder gezeigt noch ausgeschlossen.
answer-undefined = die Ausdehnung ist nicht definiert
answer-none = { $n ->
    [one] Die eine lesbare Kachel erreicht p(IDC) { $limit } nicht; der höchste Wert ist { $highest }.
   *[other] Keine der { $count } lesbaren Kacheln erreicht p(IDC) { $limit }; der höchste Wert ist { $highest }.
  }
answer-found = { $area } in { $n ->
    [one] { $count } Herd
   *[other] { $count } Herden
  }, { $share } des ausgewerteten Gewebes.
answer-largest = Der größte Herd misst { $dimensions }.
answer-largest-numbered = Der größte Herd, Nr. { $number }, misst { $dimensions }.
answer-largest-is-a-patch = Der größte Herd ist eine einzelne Kachel, { $wide } breit und über Eck { $across }.
seen-in-training = Mit diesem Patienten wurde das Modell trainiert: Die Zahlen sind nicht unabhängig davon.
seen-in-validation = Mit diesem Patienten wurde das Modell validiert: Die Zahlen sind nicht unabhängig davon.
caveat = Aussage über dieses Präparat, für die Forschung; trennt DCIS nicht von IDC; nicht die Tumorgröße des Resektats.

## Seite eins: ihre Zahlen.

figure-area = IDC-positive Fläche
figure-area-range = Schwelle anders: { $low } bis { $high }
figure-area-same = Schwelle anders: dieselbe
figure-share = Anteil am Gewebe
figure-share-of = von { $area }, die lesbar waren
figure-largest = Größter Herd
figure-largest-note = größter Durchmesser × senkrecht dazu
figure-largest-is-a-patch = eine Kachel: ihre Diagonalen
figure-over-1-mm = Herde über 1 mm
figure-over-1-mm-value = { $over } von { $all }
figure-over-1-mm-note = nach größtem Durchmesser
figure-field = Ausdehnung insgesamt
figure-field-note = über alle Herde hinweg
figure-tissue = Gewebefläche
figure-uncertain = Unsichere Kacheln
figure-uncertain-note = mit p von { $low } bis { $high }
figure-unreadable = Nicht lesbares Gewebe
figure-not-analysed = Nicht ausgewertetes Gewebe
figure-not-analysed-note = was und warum: siehe unten
figure-not-analysed-pen = dazu { $area } unter Stift

## Seite eins: warum eine Zahl nicht definiert ist.

undefined-no-tissue = auf dem Präparat wurde kein Gewebe gefunden
undefined-nothing-readable = nichts vom Gewebe des Präparats war lesbar
undefined-no-positive = keine Kachel erreicht den Schwellenwert
undefined-all-white = das ganze Gewebe ist weiß
undefined-scattered = kein Quadrat von 0,4 mm ist zur Hälfte Gewebe
undefined-no-detail = keine Kachel mit so viel Gewebe zeigt Einzelheiten

## Seite eins: wie sicher die Fläche ist.

sure-title = Wie sicher die Fläche ist
sure-title-no-area = Wie gut das Modell ist
sure-threshold = Schwellenwert
sure-threshold-range = { $low } bis { $high } mit dem Schwellenwert an den Enden des Unsicherheitsbereichs, p { $p-low } bis { $p-high }.
sure-threshold-same = { $high } mit jedem Schwellenwert im Unsicherheitsbereich, p { $p-low } bis { $p-high }.
sure-calibration = Kalibrierung
sure-calibration-none = keine: p(IDC) ist ein Score und kein Risiko, es folgt keine Fläche daraus.
sure-calibration-sum = { $area } ergibt die Summe der Wahrscheinlichkeiten selbst.
sure-calibration-apart = { $area } ergibt die Summe der Wahrscheinlichkeiten selbst: nicht in der Spanne darüber.
sure-agreement = Abgleich
sure-agreement-none = keine Grenzen: Die Modellkarte enthält keinen Vergleich mit markierten Flächen.
sure-agreement-bias = keine Grenzen: { $n ->
    [one] Auf dem Präparat
   *[other] Auf den { $count } Präparaten
  } seiner Kreuzvalidierung lag die Fläche dieses Modells im Mittel um { $bias } daneben.
sure-agreement-limits = gefunden − markiert { $low } bis { $high } mm² (95 %), im Mittel { $bias }: { $slides }{ $known ->
    [slide] , darunter dieses
    [patient] , darunter eines dieses Patienten
   *[none] {""}
  }.
sure-agreement-limits-few = gefunden − markiert { $low } bis { $high } mm² (95 %), im Mittel { $bias }: { $slides }{ $known ->
    [slide] , darunter dieses
    [patient] , darunter eines dieses Patienten
   *[none] {""}
  }, zu wenige, um dessen sicher zu sein.
sure-agreement-here = Auf einem solchen Präparat wären { $low } bis { $high } markiert.
sure-patches = Je Kachel
sure-patches-none = an keinem Patienten gemessen, den das Modell nie gesehen hat.
sure-patches-own = AUROC { $auroc }, Sensitivität { $sensitivity }, Spezifität { $specificity } ({ $n ->
    [one] { $count } ungesehener Patient
   *[other] { $count } ungesehene Patienten
  }{ $known ->
    [none] {""}
   *[slide] , darunter dieser
  }).
sure-patches-alike = AUROC { $auroc }, Sensitivität { $sensitivity }, Spezifität { $specificity } (gleich gebaute Netze, { $n ->
    [one] { $count } ungesehener Patient
   *[other] { $count } ungesehene Patienten
  }{ $known ->
    [none] {""}
   *[slide] , darunter dieser
  }).

## Seite eins: was nicht ausgewertet werden konnte.

omitted-title = Was nicht ausgewertet werden konnte
omitted-all = Alles
omitted-all-why = Das Präparat ist nicht auswertbar: Keine Kachel wurde als positiv oder negativ beurteilt.
omitted-nothing = nichts.
omitted-unreadable = Nicht lesbar
omitted-unreadable-some = { $patches } von { $all } = { $area }.
omitted-unreadable-some-no-area = { $patches } von { $all }.
omitted-damaged = Dateischaden
omitted-damaged-some = { $n ->
    [one] { $count } beschädigtes Quadrat
   *[other] { $count } beschädigte Quadrate
  } = { $area } des Präparats, nicht dekodierbar.
omitted-pen = Stift
omitted-pen-some = { $area } des Präparats liegen unter Stiftmarkierungen.
omitted-pen-none = keine Stiftmarkierungen.
omitted-not-scanned = Ausgelassen
omitted-not-scanned-some = { $area } Gewebe, in Rasterfeldern mit weniger als { $least } davon.

## Seite eins: was man wissen muss, bevor man den Zahlen traut.

caution-boundary = Grenzfall: { $dimensions }, auf eine Kachel genau (± { $patch }), { $n ->
    [one] liegt
   *[other] liegen
  } beiderseits der Grenze von { $limit } mm.
caution-over-1-mm = { $n ->
    [one] Der größte Durchmesser { $count } weiteren Herdes liegt
   *[other] Die größten Durchmesser { $count } weiterer Herde liegen
  } höchstens eine Kachel (± { $patch }) neben 1 mm: Die Zahl über 1 mm kann um so viele falsch sein.
boundary-greatest = größter Durchmesser { $length }
boundary-perpendicular = senkrechter Durchmesser { $length }
boundary-field = Ausdehnung insgesamt { $length }
caution-threshold = Der Schwellenwert dieses Laufs ist { $limit }, der des Modells { $own }: Sensitivität, Spezifität und Übereinstimmungsgrenzen wurden mit seinem eigenen gemessen, nicht mit diesem.
caution-spacing = Die Pixelgröße von { $spacing } ist { $who }: Jeder Millimeter hängt davon ab.
caution-borderline = { $n ->
    [one] { $count } Kachel liegt
   *[other] { $count } Kacheln liegen
  } so nah am Schwellenwert, dass eine andere Inferenzsoftware oder Rechengenauigkeit anders entscheiden und die Antwort ändern könnte.
caution-averaged = { $n ->
    [one] { $count } Kachel erreicht den Schwellenwert allein, aber nicht im Mittel mit ihren Nachbarkacheln.
   *[other] { $count } Kacheln erreichen den Schwellenwert allein, aber nicht im Mittel mit ihren Nachbarkacheln.
  }
caution-false-positives = Bei manchen ungesehenen Patienten nannte dieses Modell, oder ein gleich gebautes Netz, zu viele Kacheln IDC-positiv (Spezifität { $values }).
caution-false-negatives = Bei manchen ungesehenen Patienten übersah dieses Modell, oder ein gleich gebautes Netz, viele IDC-positive Kacheln (Sensitivität { $values }).
caution-edge = { $n ->
    [one] { $count } Herd berührt den Rand des Präparats: Was jenseits liegt, wurde nicht gesehen, und seine wahren Maße können größer sein.
   *[other] { $count } Herde berühren den Rand des Präparats: Was jenseits liegt, wurde nicht gesehen, und ihre wahren Maße können größer sein.
  }
caution-unreadable = { $patches } ({ $area }) nicht lesbar; dieses Gewebe gehört nicht zum Anteil und kann weiteres IDC enthalten.
caution-other-scores = Für diesen Lauf gesetzt: { $changed }. Schwellenwert und gemessene Güte des Modells wurden mit seinen eigenen Werten gewonnen und gelten womöglich nicht.
caution-other-scores-calibrated = Für diesen Lauf gesetzt: { $changed }. Schwellenwert, Kalibrierung und gemessene Güte des Modells wurden mit seinen eigenen Werten gewonnen und gelten womöglich nicht.
changed-orientations = { $orientations } (Modell: { $own })
changed-neighbours = Nachbarkacheln mit Sigma { $sigma } Kachelbreiten (Modell: { $own })
changed-stride = eine Schrittweite von { $stride } Kachelbreiten (Modell: 1)

## Qualität des Präparats: Seite eins, und ihre Tabelle.

quality-title = Qualität des Präparats
grade-good = gut
grade-review = prüfen
grade-refused = nicht auswertbar
grade-none = nicht beurteilt
findings-none = Jede Messgröße liegt in ihren Grenzen.
findings-not-judged = Vor Gebrauch der Zahlen das Präparat ansehen.
refused-headline = Nicht auswertbar: { $findings }
refused-answer = Ein IDC ist weder gezeigt noch ausgeschlossen, eine Ausdehnung wird nicht angegeben. { $reasons }.
asked-at-least = auswertbar ab { $limit }
asked-at-most = auswertbar bis { $limit }
quality-note = Jenseits der Prüfgrenzen soll jemand das Präparat ansehen, bevor seine Zahlen verwendet werden; jenseits der Ausschlussgrenzen gibt es keine Zahlen. Was so einfache Messgrößen nicht sehen, sagen sie nicht: Unschärfe, die feiner ist als die Einzelheiten einer Kachel, falsche Färbungen, Luftblasen, ein anderes Organ.
quality-note-not-judged = Der Lauf sollte die Qualität der Präparate nicht beurteilen: Die Werte sind gemessen und an keiner Grenze geprüft.
quality-measure = Messgröße
quality-value = Wert
quality-good = Gut
quality-refused = Nicht auswertbar
quality-grade = Urteil
quality-how = Wie gemessen wird
limit-any = jeder Wert
limit-never = nie

## Jede Messgröße.

sharpness-label = Schärfe
sharpness-low = unscharf
sharpness-high = verrauscht
sharpness-how = Varianz des Laplace-Filters durch die der Grauwerte, so wie das Netz eine Kachel sieht; Median über die Kacheln.
blurred-share-label = Unscharfe Kacheln
blurred-share-low = nirgends unscharf
blurred-share-high = stellenweise unscharf
blurred-share-how = Anteil der Kacheln, mindestens zur Hälfte Gewebe, deren Schärfe unter { $limit } liegt.
pen-share-label = Stift
pen-share-low = kein Stift
pen-share-high = Stiftmarkierungen
pen-share-how = Fläche der Stiftmarkierungen durch die von Gewebe und Stift.
dark-share-label = Falten, dunkler Schmutz
dark-share-low = nichts Dunkles
dark-share-high = Falten oder dunkler Schmutz
dark-share-how = Fläche in und am Gewebe, die weniger als ein Drittel des Lichts durchlässt, durch die des Gewebes.
overexposed-share-label = Überbelichtet
overexposed-share-low = nichts überbelichtet
overexposed-share-high = überbelichtet
overexposed-share-how = Anteil des farbigen Gewebes, in dem ein Kanal am Anschlag ist: Dort geht Farbe verloren.
glass-level-label = Helligkeit des Glases
glass-level-low = unterbelichtet
glass-level-high = helles Glas
glass-level-how = Hellster Kanal des leeren Glases, von 255.
haematoxylin-od-label = Hämatoxylin
haematoxylin-od-low = Hämatoxylin zu blass
haematoxylin-od-high = Hämatoxylin zu dunkel
haematoxylin-od-how = Hämatoxylin, optische Dichte: das stärkste Prozent in Quadraten von 0,4 mm, deren oberes Quartil.
eosin-od-label = Eosin
eosin-od-low = Eosin zu blass
eosin-od-high = Eosin zu dunkel
eosin-od-how = Eosin, optische Dichte: das stärkste Prozent in Quadraten von 0,4 mm, deren Median.
tissue-mm2-label = Gewebe
tissue-mm2-low = wenig Gewebe
tissue-mm2-high = viel Gewebe
tissue-mm2-how = Fläche des Gewebes auf dem Präparat.

## Bilder.

picture-overview = Übersicht
picture-heatmap = Wahrscheinlichkeitskarte
picture-quality = Qualität
picture-tissue = Gewebe
picture-marks = Was stört, und wo
overview-foci-undefined = Das ganze Präparat; Herde sind nicht definiert.
overview-no-focus = Kein Herd zu umranden.
overview-many-foci = Alle { $count } Herde umrandet; die { $listed } flächengrößten sind nummeriert.
overview-foci = Herde umrandet, nach Fläche nummeriert.
overview-hole = Gestrichelt: Loch in einem Herd.
overview-edges = An den Rändern: Pixel der Ebene 0.
overview-alt = Übersicht des Präparats { $slide }, { $size }. { $caption }
heatmap-empty = Keine Kachel hat eine Wahrscheinlichkeit.
heatmap-caption = p(IDC) jeder Kachel; dunkler ist wahrscheinlicher, grau nicht ausgewertet.
heatmap-caption-neighbours = p(IDC) jeder Kachel mit ihren Nachbarkacheln; dunkler ist wahrscheinlicher, grau nicht ausgewertet.
heatmap-tissue = Graue Linie: Geweberand.
heatmap-foci = Schwarze Linie: Herd; graue Linie: Geweberand.
heatmap-foci-hole = Schwarze Linie: Herd, gestrichelt: Loch darin; graue Linie: Geweberand.
heatmap-alt = Wahrscheinlichkeitskarte derselben Ansicht: p(IDC), { $patches }, davon { $positive } am Schwellenwert von { $limit } oder darüber.
heatmap-alt-neighbours = Wahrscheinlichkeitskarte derselben Ansicht: p(IDC), { $patches } mit ihren Nachbarkacheln, davon { $positive } am Schwellenwert von { $limit } oder darüber.
tissue-caption = Dunkel: ausgewertetes Gewebe; hell: Gewebe in Rasterfeldern mit weniger als { $least } davon, ausgelassen.
tissue-caption-unreadable = Schraffiert: nicht lesbar.
tissue-alt = Gewebemaske derselben Ansicht: { $n ->
    [one] { $count } Rasterfeld
   *[other] { $count } Rasterfelder
  } von { $all } ausgewertet, { $unreadable } davon nicht lesbar.
marks-caption = Schraffiert: Stift; gekreuzt: Falten und dunkler Schmutz; gepunktet: Kacheln mit einer Schärfe unter { $limit }, wie wenig Gewebe sie auch haben.
marks-alt = Übersicht des Präparats { $slide }, Störendes markiert.
marks-found = Gefunden: { $found }.
marks-none = Nichts wurde gemessen.
found-pen = Stift { $share }
found-dark = Falten und dunkler Schmutz { $share }
found-blurred = unscharfe Kacheln { $share }
legend-positive = positiv ab { $limit }
legend-unreadable = nicht lesbar
legend-scanned = ausgewertet
legend-not-scanned = ausgelassen
legend-pen = Stift
legend-dark = Falte, Schmutz
legend-blurred = unscharf

## Die Herde: Tabelle und Ausschnitte.

foci-title = Herde
foci-undefined = Herde sind nicht definiert: { $why }.
foci-undefined-why = das Präparat wurde nicht ausgewertet
foci-none = Es gibt keinen Herd: Keine Kachel erreicht den Schwellenwert.
foci-order = Die größte Fläche zuerst.
foci-order-many = Die { $listed } flächengrößten von { $count }; die übrigen haben zusammen { $rest }; alle stehen in result.json und regions.geojson, die Kacheln eines jeden in patches.parquet.
foci-positions = Orte sind Pixel der Ebene 0 des gespeicherten Präparats, von seiner linken oberen Ecke aus gezählt.
foci-positions-reduced = Orte sind Pixel der Ebene 0 des gespeicherten Präparats, von seiner linken oberen Ecke aus gezählt; mal { $factor } sind es Pixel der ursprünglichen Datei.
foci-one-patch = * Eine Kachel: die Diagonalen ihres Quadrats.
foci-number = Nr.
foci-area = Fläche
foci-greatest = Größter Durchm.
foci-perpendicular = Senkrecht dazu
foci-mean = Mittel p(IDC)
foci-patches = Kacheln
foci-box = Rahmen x, y, Breite, Höhe
foci-centre = Mitte x, y
foci-at-edge = Am Rand
focus-number = Herd { $number }
focus-position = x { $left } bis { $right }, y { $top } bis { $bottom }
focus-alt = Herd { $number }, in seiner Umgebung umrandet: { $size }; { $position } px.
close-ups-note = Umrandet: der Herd dieser Nummer; dünner: andere. Darunter: was vom Präparat zu sehen ist.
close-ups-note-many = Die { $shown } flächengrößten. Umrandet: der Herd dieser Nummer; dünner: andere. Darunter: was vom Präparat zu sehen ist.

## Die Kacheln.

gallery-title = Kacheln
gallery-highest = Höchste p(IDC); jede { $wide } breit
gallery-highest-neighbours = Höchste p(IDC) mit Nachbarkacheln; jede { $wide } breit
gallery-all = Alle lesbaren Kacheln ({ $count }), höchste p(IDC) zuerst; jede { $wide } breit
gallery-all-neighbours = Alle lesbaren Kacheln ({ $count }), höchste p(IDC) mit Nachbarkacheln zuerst; jede { $wide } breit
gallery-uncertain = Am wenigsten sicher: dem Schwellenwert von { $limit } am nächsten
gallery-uncertain-neighbours = Am wenigsten sicher: p(IDC) mit Nachbarkacheln dem Schwellenwert von { $limit } am nächsten
gallery-isolated = Höchste vereinzelte: positiv, und keine der acht Kacheln um sie herum ist es
gallery-isolated-none = Keine positive Kachel steht vereinzelt: Jede hat eine weitere neben sich.
gallery-missing = Bild nicht gespeichert
positive = positiv
negative = negativ
patch-alt = Kachel bei { $position } px, p(IDC) { $p }, { $verdict }.
patch-alt-neighbours = Kachel bei { $position } px, p(IDC) { $p }, p_raw { $raw }, { $verdict }.

## Methode und Herkunft: das Modell.

method-title = Methode und Herkunft
model-title = Modell
quoted-in-english = Englisches ist zitiert: aus der Modellkarte oder vom Programm.
model-name = Name, Version
model-architecture = Architektur
model-use = Zweck
model-trained = Trainiert an
model-spacing = Pixelgröße

## Methode und Herkunft: wie das Modell angewandt wurde.

settings-title = Wie es angewandt wurde
engine = Inferenzsoftware
precision-f32 = 32-Bit-Zahlen, f32
precision-bf16 = 16-Bit-Zahlen, bf16
threshold = Schwellenwert
threshold-own = der des Modells: „{ $how }“
threshold-set = für diesen Lauf gesetzt; der des Modells ist { $own }
patch = Kachel
patch-note = { $side } px bei { $spacing }, { $area }
stride = Schrittweite
stride-of = { $stride } einer Kachel
stride-none = ohne Überlappung
stride-some = überlappend
scanned = Ausgewertet
scanned-cells = Rasterfelder mit mindestens { $least } Gewebe
fails = Gescheitert
fails-above = über { $share } nicht lesbaren Kacheln
engine-borderline = Rechengrenzfälle
engine-borderline-note = eine Änderung von p_raw um { $tolerance }, die größte zwischen Inferenzprogrammen, würde sie umkehren
orientations-label = Lagen
orientations-one = 1, so wie die Kachel liegt
orientations-mean = { $count }, gedreht und gespiegelt: ihr Mittelwert
neighbours = Nachbarkacheln
neighbours-none = nicht verwendet
neighbours-beyond = keine in Reichweite: σ = { $sigma }, jede Kachel wird für sich beurteilt
neighbours-averaged = gemittelt, Gauß-Gewichte mit σ = { $sigma }
sigma = { $um } = { $sides } Kachelbreiten
calibration = Kalibrierung
calibration-none = keine
calibration-fitted = Temperatur { $temperature }, Achsenabschnitt { $intercept }
calibration-how = angepasst an Werte von Präparaten, die ihre Netze nicht gesehen hatten
unlike-own = für diesen Lauf gesetzt; beim Modell { $own }, und sein Schwellenwert gehört zu anderen Werten
unlike-own-calibrated = für diesen Lauf gesetzt; beim Modell { $own }, und seine Kalibrierung wurde an andere Werte angepasst, zu denen sein Schwellenwert gehört

## Methode und Herkunft: das Präparat, und was darauf gefunden wurde.

slide-facts-title = Präparat
size-label = Größe
spacing-label = Pixelgröße
spacing-of = { $spacing } ({ $who })
spacing-of-reduced = { $spacing } in der Datei ({ $who }), gespeichert mit { $stored }
spacing-vendor = laut Scannerdatei
spacing-ome-zarr = laut OME-Zarr-Metadaten
spacing-manifest = laut Präparateliste
spacing-option = vom Bediener oder durch die Konvention des Kacheldatensatzes vorgegeben, nicht durch das Präparat
spacing-not-stated = nicht vom Präparat angegeben
stored = Gespeichert
stored-reduced = verkleinert
stored-factor = { $factor } Pixel der ursprünglichen Datei auf ein gespeichertes Pixel
scanned-patches = Ausgewertet
scanned-of = { $count } von { $all } Kacheln des Rasters
positive-patches = Davon positiv
qc-tissue-share = Gewebe, Anteil
qc-pen-share = Stift, Anteil
qc-background-rgb = Glasfarbe
qc-overview-um-per-px = Übersicht
qc-unreadable-share = Nicht lesbar, Anteil
qc-damaged-squares = Schadquadrate
qc-damaged-mm2 = Schadfläche
qc-unscanned-tissue-mm2 = Ausgelassen

## Methode und Herkunft: was an anderen Patienten gemessen wurde.

performance-title = Güte des Modells an Patienten, an die es nicht angepasst wurde
performance-patient = Patient
performance-used = Verwendet für
performance-patches = Kacheln
performance-positive = Positive
performance-auroc = AUROC
performance-f1 = F1
performance-balanced = Balancierte Tr.
performance-sensitivity = Sensitivität
performance-specificity = Spezifität
used-cross-validation = Kreuzvalidierung
used-validation = Validierung (optimistisch)
used-test = Test
slides-pooled = { $n ->
    [one] { $count } Präparat
   *[other] { $count } Präparate
  } zusammen
performance-none = Die Modellkarte enthält keine Messung an Patienten, an die das Modell nicht angepasst wurde.
performance-what = Je Kachel, an Patienten, an die das Netz nicht angepasst wurde; balancierte Trefferquote: Mittel aus Sensitivität und Spezifität.
performance-cross-validation = „Kreuzvalidierung“: Mittel über { $n ->
    [one] { $count } Startwert
   *[other] { $count } Startwerte
  }, von Netzen, die auf dieselbe Weise trainiert wurden, aber ohne das Präparat, jedes beurteilt mit einem Schwellenwert, der auf anderen Präparaten durch Netze gewählt wurde, die es nie gesehen haben.
performance-validation = „Validierung“: An diesem Patienten wurde Epoche oder Schwellenwert gewählt, was seine Zahlen zu günstig macht.
performance-test = „Test“: { untouched }.
untouched = weder Netz, Nachbarkacheln, Kalibrierung noch Schwellenwert wurden daran gewählt; ob das Rezept daran gewählt wurde, sagen die Grenzen des Modells
performance-more = { $n ->
    [one] { $count } weitere Zeile
   *[other] { $count } weitere Zeilen
  } in der card.json des Modells.

## Methode und Herkunft: Grenzen (in den Worten der Modellkarte), Identität und Zeiten.

limits-title = Grenzen des Modells (im Wortlaut der Modellkarte)
identity-title = Identität und Zeiten
hash-model = Modell
hash-model-note = Fingerabdruck der Gewichtsdatei
hash-slide = Präparat
hash-slide-note = Fingerabdruck der gespeicherten Pixel
hash-result = Ergebnis
hash-result-note = Fingerabdruck von allem, was es bestimmt
seconds = Sekunden: { $stages }.
data-note = An dieses PDF angehängt: das Ergebnis, die Umrisse der Herde, die Tabelle der Kacheln und die Modellkarte. SHA256SUMS, ebenfalls angehängt, nennt den sha256 jeder Datei; ihr eigener steht als „Daten“ am Fuß jeder Seite. All dies prüft: batchscan verify DATEI.pdf
stage-read = Lesen
stage-tissue = Gewebesuche
stage-infer = Inferenz

## Was jede Zahl bedeutet.

definitions-title = Was jede Zahl bedeutet
means-raw = der Wert des Netzes selbst für eine Kachel, von 0 bis 1; Klasse „{ $class }“.
means-raw-orientations = der Wert des Netzes selbst für eine Kachel, von 0 bis 1, Mittel über { $count } Arten, sie zu drehen und zu spiegeln; Klasse „{ $class }“.
means-mean-alone = p_raw selbst: Nachbarkacheln werden nicht verwendet.
means-mean-beyond = p_raw selbst, { -kept }: σ = { $sigma } erreicht keine Nachbarkachel.
means-mean = das Mittel der logarithmierten Chancen: logit p_mean = Σ w logit p_raw ÷ Σ w, logit p = ln(p ÷ (1 − p)), über die Kachel und ihre lesbaren Nachbarkacheln, p_raw { -kept }; w = exp(−d² ÷ 2σ²), d von Mitte zu Mitte, σ = { $sigma }; w = 0 jenseits von { $reach } σ entlang einer Zeile oder Spalte.
-kept = zwischen 0,0001 und 0,9999 gehalten
means-p = p_mean selbst, nicht kalibriert; in den Dateien p_idc.
means-p-calibrated = 1 ÷ (1 + exp(−(ln(p_mean ÷ (1 − p_mean)) ÷ T + b))), kalibriert mit T = { $temperature }, b = { $intercept }; in den Dateien p_idc.
means-p-calibrated-alone = 1 ÷ (1 + exp(−(ln(p_mean ÷ (1 − p_mean)) ÷ T + b))), kalibriert mit T = { $temperature }, b = { $intercept }, p_mean { -kept }; in den Dateien p_idc.
means-positive-label = Positiv
means-positive = eine Kachel mit p(IDC) ≥ { $limit }.
means-tissue-label = Gewebefläche
means-tissue = Σ a t über die ausgewerteten Rasterfelder; a die Fläche eines Rasterfelds, t der Gewebeanteil darin; jedes zählt einmal, wie auch immer Kacheln überlappen.
means-area-label = IDC-positive Fläche
means-area = Σ a t nur über die positiven Rasterfelder.
means-share-label = Anteil am Gewebe
means-share = IDC-positive Fläche ÷ (Gewebefläche − nicht lesbare Fläche).
means-unreadable-label = Nicht lesbar
means-unreadable = Kacheln, deren Pixel nicht gelesen werden konnten: in der Gewebefläche, nicht im Anteil.
means-not-analysed-label = Nicht ausgewertet
means-not-analysed = Gewebe nicht lesbarer Kacheln sowie von Rasterfeldern mit weniger als { $least } Gewebe, die ausgelassen werden und nicht zur Gewebefläche zählen.
means-focus-label = Herd
means-focus = positive Rasterfelder, die sich an einer Seite oder Ecke berühren.
means-greatest-label = Größter Durchmesser
means-greatest = größter Abstand zweier Punkte auf dem Umriss eines Herds, sein Feret-Durchmesser (einer Kachel: ihre Diagonale, { $diagonal }).
means-perpendicular-label = Senkrecht dazu
means-perpendicular = Ausdehnung desselben Umrisses im rechten Winkel zum größten Durchmesser.
means-largest-label = Größter Herd
means-largest = der mit dem größten Durchmesser; die Tabelle ist nach Fläche geordnet.
means-over-1-mm-label = Herde über 1 mm
means-over-1-mm = die mit einem größten Durchmesser über 1 mm.
means-field-label = Ausdehnung insgesamt
means-field = größter Durchmesser über alle positiven Rasterfelder des Präparats zusammen.
means-isolated-label = Vereinzelt
means-isolated = eine positive Kachel ohne positive unter ihren acht Nachbarkacheln: ein Herd aus einer Kachel.
means-resolution-label = Auflösung
means-resolution = Umrisse folgen den Rasterfeldern, ein Maß ist daher auf etwa { $side } bekannt.
means-boundary-label = Grenzfall
means-boundary = ein Maß weniger oder plus eine Kachelbreite, { $side }, erreicht { $limits } mm, Grenzen der Kategorien der Tumorgröße.
means-band-label = Unsicherheits-bereich
means-band = p(IDC) von { $low } bis { $high }: Chancen, p ÷ (1 − p), bis zu einem Faktor von { $factor } von denen des Schwellenwerts entfernt. Die Spanne der Fläche ist die mit dem Schwellenwert an beiden Enden.
means-sum-label = Kalibrierte Summe
means-sum = Σ a t p(IDC) über die lesbaren Kacheln; angegeben, wo p(IDC) kalibriert ist.
means-agreement-label = Abgleich
means-agreement = auf kreuzvalidierten Präparaten gefundene − markierte Fläche: Mittel ± 1,96 Standardabweichungen (95-%-Grenzen nach Bland und Altman). Auf einem solchen Präparat: gefundene Fläche weniger eine Grenze.

## Das Feld, das von Hand ausgefüllt wird, am Ende.

signoff-title = Beurteilung
signoff-note = Von Hand auszufüllen. Dieselben Antworten, als Formular oder aus QuPath, verwahrt „batchscan review“ beim Ergebnis.
signoff-focus = Herd
signoff-area = Fläche
signoff-agree = richtig
signoff-disagree = falsch
signoff-unsure = unsicher
signoff-comment = Bemerkung
signoff-others = Die { $most } flächengrößten Herde; die übrigen stehen im Formular.
signoff-no-other = kein weiteres IDC
signoff-elsewhere = weiteres IDC bei:
signoff-note-none = Von Hand auszufüllen. Was in QuPath umrandet wird, verwahrt „batchscan review“ beim Ergebnis.
signoff-none = kein IDC auf diesem Präparat
signoff-seen = IDC bei:
signoff-by = Beurteilt durch
signoff-date = Datum
signoff-signature = Unterschrift
signoff-which = Präparat { $slide }, Ergebnis { $digest }. Wer beurteilt, hat die Umrisse des Programms gesehen: Dies ist keine unabhängige Befundung.
signoff-which-none = Präparat { $slide }, Ergebnis { $digest }. Wer beurteilt, hat gesehen, was das Programm zu diesem Präparat sagt: Dies ist keine unabhängige Befundung.

## Die Mitteilung zu einem Präparat ohne Ergebnis.

notice-document-title = { $title } – kein Ergebnis – Mitteilung von batchscan
notice-footer = Mitteilung des Laufs { $run } · batchscan { $version }
notice-kind = Mitteilung – kein Bericht
notice-headline-failed = Kein Ergebnis: Dieses Präparat ist gescheitert
notice-headline-excluded = Kein Ergebnis: Dieses Präparat wurde ausgeschlossen
notice-answer = Ein invasives duktales Karzinom (IDC) ist auf diesem Präparat weder gezeigt noch ausgeschlossen. Nichts davon wurde gemessen, und keine Zahl davon zählt irgendwo im Lauf.
notice-facts-title = Was geschehen ist
notice-patient = Patient
notice-status = Status
notice-status-failed = gescheitert: Es wurde versucht und konnte nicht zu Ende gebracht werden
notice-status-excluded = ausgeschlossen: So, wie es ist, lässt es sich nicht beurteilen
notice-sentence = Meldung
notice-sentence-none = nichts ist verzeichnet.
notice-reason = Grund
notice-reason-none = keiner ist verzeichnet
notice-reason-note = der Code in summary.csv
notice-when = Wann
notice-when-never = vor der Auswertung: Es wurde nicht versucht
notice-steps-title = Was zu tun ist
notice-step-again = Danach denselben Befehl noch einmal starten: Er tut nur, was fehlt. Sobald das Präparat ein Ergebnis hat, steht sein Bericht im Ordner des Laufs, und diese Mitteilung ist fort.
notice-step-until = Bis dahin das Präparat so befunden, als gäbe es dieses Programm nicht.

## Was bei einem Präparat ohne Ergebnis zu tun ist, nach dem Code des Grundes.

-copy = Die Datei noch einmal von der Quelle kopieren oder neu scannen lassen.
-give-spacing = Die Datei mit --um-per-px einlesen oder um_per_px in der Präparateliste angeben.
-defect = Das Präparat allein mit --workers 1 --debug auswerten und den Fehler mit der Ausgabe melden.
-mend = Beheben, was die Meldung zum Präparat nennt, und denselben Befehl noch einmal starten.
remedy-unknown = Die Meldung in summary.csv lesen; das Präparat allein mit --debug auswerten, um mehr zu erfahren.
remedy-unopenable = Ist es ein Präparat, und vollständig? { -copy }
remedy-unreadable = { -copy }
remedy-source-vanished = Ordner oder Laufwerk wieder verbinden und denselben Befehl noch einmal starten.
remedy-slide-gone = Es wurde verschoben oder gelöscht: zurücklegen oder aus der Präparateliste nehmen.
remedy-slide-changed = Während eines Laufs nichts ins Archiv schreiben lassen; denselben Befehl noch einmal starten.
remedy-no-spacing = { -give-spacing }
remedy-implausible-spacing = Die Angabe der Datei kann nicht stimmen. { -give-spacing }
remedy-spacing-conflict = Die angegebene Pixelgröße weglassen oder das Präparat mit der richtigen neu einlesen.
remedy-not-rgb = Den HE-Schnitt in Farbe scannen lassen.
remedy-too-coarse = Das Präparat feiner scannen lassen oder ein Modell für gröbere Pixel nehmen.
remedy-duplicate = Nur einen der beiden Namen in der Präparateliste lassen: Es ist dasselbe Präparat.
remedy-slide = { -mend }
remedy-excluded = { -mend }
remedy-no-tissue = Die Übersicht ansehen; ist dort Gewebe, das Präparat neu scannen lassen.
remedy-not-analysable = Ansehen, was die Qualitätskontrolle fand; reinigen oder neu färben und neu scannen lassen.
remedy-worker-died = Allein, mit --workers 1 und mehr Speicher auswerten; bricht es wieder ab, ist die Datei beschädigt.
remedy-out-of-memory = Das Präparat mit kleineren Kacheln oder Blöcken neu exportieren oder mehr Speicher nehmen.
remedy-hung = Das Lesen kam nie zurück. { -copy }
remedy-quarantined = Unfall auf Unfall, darum ausgelassen: die Datei ansehen, dann mit --retry neu starten.
remedy-unexpected = { -defect }
remedy-error = { -defect }
remedy-output = Platz schaffen oder Rechte richten und denselben Befehl noch einmal starten.
remedy-templates = Beheben, was die Meldung im Vorlagenordner nennt, und denselben Befehl noch einmal starten.
remedy-damaged-result = Denselben Befehl noch einmal starten: Das Präparat wird dann neu ausgewertet.
remedy-ledger-mismatch = Denselben Befehl noch einmal starten: Vollständige Ergebnisse werden wieder verwendet.
remedy-model = „batchscan model verify“ auf das Paket anwenden und auf jedem Rechner dasselbe installieren.
remedy-cluster = Dafür sorgen, dass Scheduler und Worker laufen, und denselben Befehl noch einmal starten.
remedy-busy = Auf den anderen Lauf warten oder ihn beenden; dann denselben Befehl noch einmal starten.
remedy-usage = { -mend }
remedy-job = { -mend }
remedy-manifest = Die genannten Zeilen der Präparateliste berichtigen und denselben Befehl noch einmal starten.
remedy-patch-set = Den Kachelordner in die öffentliche Anordnung bringen und neu einlesen.
remedy-reference = Die Referenzdatei berichtigen oder aus der Präparateliste nehmen.
remedy-gate = Eine Kennzahl verlangen, die es in einer Auswertung gibt.
remedy-not-comparable = Beide auf denselben Kacheln mit denselben Markierungen auswerten.
remedy-seen = Das Präparat aus der Messung lassen: Das Modell wurde damit gemacht.
remedy-review = Die genannten Zeilen berichtigen und die Datei noch einmal einlesen.
remedy-signing = Beheben, was die Meldung zum Schlüssel nennt, und denselben Befehl noch einmal starten.
remedy-unverifiable = Den Bericht mit „batchscan report“ noch einmal drucken.
