(* What a checker states of the deciding position, and what a matrix may read of it.

   In docs/certificates.md, "What is tabulated" (the invariant, `holds`) and Lemma K2c (reading,
   `read_within`), rule 2 of the kernel. A function of the streams is `sound` between two such
   statements if it keeps the invariant for every case and every choice of rows; `adds_sound` is
   what heads and MLPs have in common: they add something.

   In Python: `Position` and `Position.read` in verify/kernel/proof.py. *)

From mathcomp Require Import all_ssreflect all_algebra.
From kernel Require Import task transformer products.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section State.
Variables (F : realDomainType) (N R d n : nat).

(* A deciding position is the last of n + 1. `Position`: *)
Record state := State {
  cases : node N -> seq (letter R) -> Prop;      (* a node at hand, and letters at hand *)
  known : node N -> seq (letter R) -> 'cV[F]_d;
  own : 'I_n.+1 -> token N R -> 'cV[F]_d;        (* `tables` of positions: a row a token *)
  tables : seq (seq 'cV[F]_d);                   (* `tables` of passes: any of the rows *)
  unknown : pred 'I_d;
  written : pred 'I_d;
  error : 'cV[F]_d;                              (* `leak` times `error` *)
  at_node : option 'I_n.+1;                      (* `at_hand`: the node's position, *)
  at_letters : seq 'I_n.+1                       (* and the letters' *)
}.

Definition chosen (rows : seq 'cV[F]_d) (tabs : seq (seq 'cV[F]_d)) : bool :=
  all2 (fun row tab => row \in tab) rows tabs.

(* The stream in the limit: `known` plus one row of each table. *)
Definition limit st (t : 'I_n.+1 -> token N R) e u rows : 'cV[F]_d :=
  known st e u + \sum_p own st p (t p) + \sum_(row <- rows) row.

Variable held : 'I_n.+1 -> token N R -> 'cV[F]_d. (* at a position, with a token, at the start *)
Variable may : 'I_n.+1 -> token N R -> Prop.      (* `rows`: the tokens of each position *)
Variable any : 'I_n.+1 -> token N R.              (* the first of them *)
Implicit Types (st : state) (x : streams F d n) (t : 'I_n.+1 -> token N R).

(* The invariant: of a prompt t, with the node e and the letters u truly at hand. *)
Record holds st t (e : node N) (u : seq (letter R)) x : Prop := Holds {
  in_cases : cases st e u;
  as_stated : exists2 rows, chosen rows (tables st)
    & within (unknown st) (error st) (x ord_max) (limit st t e u rows);
  not_written : forall p c, ~~ written st c -> x p c 0 = held p (t p) c 0;
  node_there : forall p, at_node st = Some p -> t p = name R e;
  letters_there : [seq t p | p <- at_letters st] = [seq Letter r | r <- u]
}.

Definition possible t : Prop := forall p, may p (t p).

(* What a matrix asks of the stream, and sees of it. *)
Definition reads m (W : 'M[F]_(m, d)) st : Prop :=
  [/\ blind (unknown st) W,
      forall p v v', may p v -> may p v' -> W *m own st p v = W *m own st p v'
    & forall tab row row', tab \in tables st -> row \in tab -> row' \in tab ->
        W *m row = W *m row'].

Definition seen st e u : 'cV[F]_d :=
  known st e u + \sum_p own st p (any p) + \sum_(tab <- tables st) nth 0 tab 0.

Hypothesis any_may : forall p, may p (any p).

Lemma chosen_rows_alike m (W : 'M[F]_(m, d)) rows tabs :
  chosen rows tabs ->
  (forall tab row row', tab \in tabs -> row \in tab -> row' \in tab -> W *m row = W *m row') ->
  W *m (\sum_(row <- rows) row) = W *m (\sum_(tab <- tabs) nth 0 tab 0).
Proof.
elim: rows tabs => [|row rows IH] [|tab tabs] //=; first by rewrite !big_nil.
move=> /andP[in_tab ch] alike; rewrite !big_cons !mulmxDr; congr (_ + _).
  apply: (alike tab) => //; first exact: mem_head.
  by case: tab in_tab {alike} => // a l _; exact: mem_head.
by apply: IH => // tab' row' row'' later; apply: alike; rewrite inE later orbT.
Qed.

Lemma read_within m (W : 'M[F]_(m, d)) st t e u x :
  reads W st -> possible t -> holds st t e u x ->
  within pred0 (sizes W *m error st) (W *m x ord_max) (W *m seen st e u).
Proof.
move=> [no_unknown own_alike tabs_alike] can [_ [rows ch near] _ _ _].
suff -> : W *m seen st e u = W *m limit st t e u rows by apply: product_within near.
rewrite /seen /limit !mulmxDr (chosen_rows_alike ch tabs_alike); congr (_ + _ + _).
by rewrite !mulmx_sumr; apply: eq_bigr => p _; apply: own_alike.
Qed.

Lemma reads_sub m (W W' : 'M[F]_(m, d)) st : reads W st -> reads W' st -> reads (W - W') st.
Proof.
move=> [no own1 tab1] [no' own2 tab2]; split=> [i c un|p v v' mv mv'|tab row row' i j k].
- by rewrite !mxE no ?no' // subr0.
- by rewrite !mulmxBl (own1 p v v') ?(own2 p v v').
- by rewrite !mulmxBl (tab1 tab row row') ?(tab2 tab row row').
Qed.

Definition sound (f : streams F d n -> streams F d n) st st' : Prop :=
  forall t e u x, possible t -> holds st t e u x -> holds st' t e u (f x).

(* What no head and no MLP changes. *)
Record carried st st' : Prop := Carried {
  carried_cases : forall e u, cases st e u -> cases st' e u;
  carried_tables : tables st' = tables st;
  carried_unknown : forall c, unknown st c -> unknown st' c;
  carried_node : at_node st' = at_node st;
  carried_letters : at_letters st' = at_letters st
}.

Lemma adds_sound st st' f added late (more : 'cV[F]_d) :
  carried st st' ->
  (forall e u, cases st e u -> known st' e u = known st e u + added e u) ->
  (forall p v, own st' p v = own st p v + late p v) ->
  (forall c, error st c 0 + more c 0 <= error st' c 0) ->
  (forall c, ~~ written st' c -> ~~ written st c) ->
  (forall t e u x, possible t -> holds st t e u x ->
     within pred0 more (f x ord_max - x ord_max) (added e u + \sum_p late p (t p))) ->
  (forall x p c, ~~ written st' c -> f x p c 0 = x p c 0) ->
  sound f st st'.
Proof.
move=> [listed tabs un node lets] stream own' err wr near_added none t e u x can stands.
have near' := near_added _ _ _ _ can stands.
case: stands => listed_e [rows ch near] fix0 at0 lets0; split.
- exact: listed.
- exists rows; first by rewrite tabs.
  have -> : f x ord_max = x ord_max + (f x ord_max - x ord_max) by rewrite addrC subrK.
  have -> : limit st' t e u rows = limit st t e u rows + (added e u + \sum_p late p (t p)).
    rewrite /limit stream // (eq_bigr (fun p => own st p (t p) + late p (t p))) //.
    by rewrite big_split /= addrACA [in RHS]addrAC.
  move=> c seen_c; have known_c : ~~ unknown st c by apply: contra seen_c; apply: un.
  have /le_trans := within_sum near (fun c' _ => near' c' isT) known_c; apply.
  by rewrite mxE.
- by move=> p c seen_c; rewrite none // fix0 // wr.
- by move=> p; rewrite node; apply: at0.
- by rewrite lets.
Qed.

End State.
